import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

/// Each gate on both sides of what it allows.
struct GateBoundTests {
    /// A Friday, 09:00 in Berlin.
    private static let morning = Date(timeIntervalSince1970: 1_800_000_000)

    private func judge(
        _ rule: GateSpec.Rule, at now: Date = GateBoundTests.morning, _ change: (inout GateFacts) -> Void = { _ in }
    ) -> GateVerdict {
        var facts = GateFacts(now: now)
        change(&facts)
        return GateSpec(name: "gate", rule: rule).judge(facts)
    }

    // MARK: Windows

    private func window(_ now: Date) throws -> GateVerdict {
        let office = try Blackout.weekly(days: ["MON", "TUE", "WED", "THU", "FRI"], from: "09:00", until: "17:00")
        let freeze = ChangeWindows.Freeze(period: try .dates(from: "2027-12-20", through: "2028-01-06"), reason: "year end")
        let windows = ChangeWindows(zone: try ScheduleZone("Europe/Berlin"), open: [office], freezes: [freeze])
        return judge(.window, at: now) { $0.windows = windows }
    }

    @Test func `a window gate is open within, and says when it opens outside`() throws {
        let inside = try window(Self.morning)
        #expect(inside.state == .passed && inside.until == nil && inside.kind == "window")
        let early = try window(Self.morning - 1)
        #expect(early.state == .pending && early.until == Self.morning)
        #expect(early.message.contains(WireCoding.text(Self.morning)), "\(early.message)")
        #expect(early.blocks && !early.denies, "waiting is of use")
        let last = try window(Self.morning + 8 * 3600 - 1)
        #expect(last.state == .passed)
        let evening = try window(Self.morning + 8 * 3600)
        #expect(evening.state == .pending && evening.until == Self.morning + 3 * 86_400, "on Monday")
    }

    @Test func `a freeze closes the windows within it`() throws {
        let far = try window(try #require(WireCoding.time("2027-12-21T10:00:00Z")))
        #expect(far.state == .pending && far.until == nil && far.message == "changes are frozen: year end")
        #expect(far.evidence["reason"] == "year end")
        let near = try window(try #require(WireCoding.time("2028-01-05T10:00:00Z")))
        let opens = try #require(WireCoding.time("2028-01-07T08:00:00Z"))
        #expect(near.state == .pending && near.until == opens && near.message.contains(WireCoding.text(opens)))
        #expect(try window(opens).state == .passed)
    }

    @Test func `an environment without windows is open at any time, but for a freeze`() throws {
        #expect(judge(.window).state == .passed)
        let today = try Blackout.dates(from: "2027-01-15", through: "2027-01-15")
        let frozen = ChangeWindows(freezes: [.init(period: today, reason: "audit")])
        let verdict = judge(.window) { $0.windows = frozen }
        #expect(verdict.state == .pending && verdict.until == WireCoding.time("2027-01-16T00:00:00Z"))
        #expect(judge(.window, at: Self.morning + 86_400) { $0.windows = frozen }.state == .passed)
    }

    // MARK: Quality

    private func quality(_ gate: GateSpec.Quality, _ upstreams: [String: GateFacts.Upstream]) -> GateVerdict {
        judge(.quality(gate)) { $0.upstreams = upstreams }
    }

    @Test func `quality counts the runs of each flow`() {
        let twice = GateSpec.Quality(runs: 2)
        let once = quality(twice, ["qa": .init(succeeded: ["daily": 1], lastRunAt: Self.morning)])
        #expect(once.state == .pending)
        #expect(once.message == "flow daily has not succeeded 2 times in qa with this digest")
        let uneven = quality(twice, ["qa": .init(succeeded: ["daily": 2, "hourly": 1], lastRunAt: Self.morning)])
        #expect(uneven.state == .pending && uneven.message.hasPrefix("flow hourly "))
        let enough = quality(twice, ["qa": .init(succeeded: ["daily": 2, "hourly": 3], lastRunAt: Self.morning)])
        let runs: JSONValue = ["daily": 2, "hourly": 3]
        #expect(enough.state == .passed && enough.evidence["runs"] == runs)
        #expect(quality(twice, ["qa": .init()]).state == .pending, "nothing has run")
    }

    @Test func `a flow whose newest run failed is told, whatever ran before`() {
        let red = quality(
            .init(), ["qa": .init(succeeded: ["daily": 9], lastRunAt: Self.morning, failedFlows: ["hourly", "daily"])])
        #expect(red.state == .failed && red.message == "flow daily failed in qa")
        #expect(red.evidence["failed"] == ["daily", "hourly"])
        let both = quality(
            .init(),
            [
                "qa": .init(
                    succeeded: ["daily": 9], failedChecks: ["gold.sums.unique(id)"], lastRunAt: Self.morning,
                    failedFlows: ["daily"])
            ])
        #expect(both.state == .failed && both.message == "check gold.sums.unique(id) failed in qa")
    }

    @Test func `one upstream that is green is enough, and one that is red is told before one that waits`() {
        let green = GateFacts.Upstream(succeeded: ["daily": 1], lastRunAt: Self.morning)
        let red = GateFacts.Upstream(succeeded: ["daily": 1], lastRunAt: Self.morning, failedFlows: ["daily"])
        let waiting = GateFacts.Upstream(succeeded: ["daily": 0])
        #expect(quality(.init(), ["a": red, "b": green]).state == .passed)
        #expect(quality(.init(), ["a": green, "b": red]).state == .passed)
        for upstreams in [["a": red, "b": waiting], ["a": waiting, "b": red]] {
            #expect(quality(.init(), upstreams).state == .failed)
        }
    }

    // MARK: Cost

    @Test(
        arguments: [
            (nil, nil, 1e6, 1e6, true), (nil, 10.0, 10.0, nil, true), (nil, 10.0, 10.5, nil, false), (1.0, nil, 60, 1.0, true),
            (1.0, nil, 60, 1.01, false), (1.0, nil, 0, nil, false), (1.0, 10.0, 9, 1.5, false), (1.0, 10.0, 11, 0.5, false),
            (1.0, 10.0, 10, 1.0, true), (0, nil, 0, 0, true),
        ] as [(Double?, Double?, Double, Double?, Bool)])
    func `a cost gate lets through what is at its ceilings and nothing above`(
        maxAmount: Double?, maxSeconds: Double?, seconds: Double, amount: Double?, passes: Bool
    ) {
        let verdict = judge(.cost(.init(maxAmount: maxAmount, maxSeconds: maxSeconds))) {
            $0.cost = PlanCost(seconds: seconds, amount: amount, currency: "EUR")
        }
        #expect(verdict.state == (passes ? .passed : .failed), "\(verdict.message)")
    }

    @Test func `a cost that is too high is told with its currency, and with what is not known of it`() throws {
        let sums = try #require(AssetName("gold.sums"))
        let verdict = judge(.cost(.init(maxAmount: 1))) {
            $0.cost = PlanCost(seconds: 60, amount: 1.014, currency: "EUR", unknown: [sums])
        }
        #expect(verdict.message == "about 1.01 EUR, more than 1.0 EUR")
        let amount: JSONValue = 1.014
        #expect(verdict.evidence["unknown"] == ["gold.sums"] && verdict.evidence["amount"] == amount)
    }

    // MARK: Policies

    private let change = PlanChange(subject: "column", name: "silver.orders.net", action: "removed", impact: .nonBreaking)

    @Test(
        arguments: [
            (GateSpec.Denial(), true), (.init(impact: .metadata), true), (.init(impact: .nonBreaking), true),
            (.init(impact: .breaking), false), (.init(subject: "column"), true), (.init(subject: "asset"), false),
            (.init(action: "removed"), true), (.init(action: "added"), false), (.init(name: "silver."), true),
            (.init(name: "silver.orders.net"), true), (.init(name: "orders."), false), (.init(name: "silver.orders.net2"), false),
            (.init(subject: "column", action: "removed", name: "silver."), true),
            (.init(subject: "asset", action: "removed", name: "silver."), false),
            (.init(subject: "column", action: "changed", name: "silver."), false),
            (.init(subject: "column", action: "removed", name: "gold."), false),
            (.init(impact: .breaking, subject: "column", action: "removed", name: "silver."), false),
            (.init(subject: "column", reaches: "gold."), false),
        ] as [(GateSpec.Denial, Bool)])
    func `a change is denied when every member of the denial holds`(denial: GateSpec.Denial, denies: Bool) {
        let verdict = judge(.policy(.init(deny: [denial]))) { $0.changes = [change] }
        #expect(verdict.state == (denies ? .failed : .passed), "\(verdict.message)")
        // Those that are denied, or how many were looked at.
        let told: JSONValue = denies ? ["silver.orders.net"] : 1
        #expect(verdict.evidence["changes"] == told)
    }

    @Test func `each denial is asked, of each change`() {
        let added = PlanChange(subject: "asset", name: "gold.new", action: "added", impact: .nonBreaking)
        let policy = GateSpec.Policy(deny: [
            .init(subject: "check"), .init(subject: "asset", action: "added", message: "no new tables"),
        ])
        let verdict = judge(.policy(policy)) { $0.changes = [change, added] }
        #expect(verdict.state == .failed)
        #expect(verdict.message == "no new tables: asset gold.new is added (non-breaking)")
        #expect(judge(.policy(policy)) { $0.changes = [change] }.state == .passed)
        #expect(judge(.policy(.init(deny: []))) { $0.changes = [change, added] }.state == .passed)
        #expect(judge(.policy(.init(deny: [.init()]))).state == .passed, "nothing changes")
    }

    // MARK: Classes and zones

    @Test func `what is at the highest class passes, one above does not`() throws {
        let sums = try #require(AssetName("gold.sums"))
        let known: [DataClass] = [.public, .internal, .confidential, .restricted]
        for (index, ceiling) in known.enumerated() {
            for (rank, level) in known.enumerated() {
                let verdict = judge(.classification) { facts in
                    facts.ceiling = ceiling
                    facts.placements = [.init(asset: sums, highest: .init(column: "name", level: level))]
                }
                #expect(verdict.state == (rank <= index ? .passed : .failed), "\(level) under \(ceiling): \(verdict.message)")
            }
            let unheard = judge(.classification) { facts in
                facts.ceiling = ceiling
                facts.placements = [.init(asset: sums, highest: .init(column: "name", level: .unknown))]
            }
            #expect(unheard.state == .failed, "a class that is not known here is above \(ceiling)")
            let bare = judge(.classification) { facts in
                facts.ceiling = ceiling
                facts.placements = [.init(asset: sums)]
            }
            #expect(bare.state == .passed, "nothing is classified")
        }
        let unbounded = judge(.classification) { $0.placements = [.init(asset: sums)] }
        #expect(unbounded.state == .failed, "an environment that does not say how high")
    }

    @Test func `one table above the class is enough`() throws {
        let sums = try #require(AssetName("gold.sums"))
        let people = try #require(AssetName("silver.people"))
        let verdict = judge(.classification) { facts in
            facts.ceiling = .internal
            facts.placements = [
                .init(asset: sums, highest: .init(column: "total", level: .internal)),
                .init(asset: people, highest: .init(column: "name", level: .restricted)),
            ]
        }
        #expect(verdict.state == .failed && verdict.message == "silver.people.name is restricted, above internal")
        #expect(verdict.evidence["above"] == ["silver.people.name"])
    }

    @Test func `a table of more than one zone lands in none, and one of none lands anywhere`() throws {
        let sums = try #require(AssetName("gold.sums"))
        func land(_ zones: Set<String>, in residency: String?) -> GateVerdict {
            judge(.residency) { facts in
                facts.residency = residency
                facts.placements = [.init(asset: sums, zones: zones)]
            }
        }
        #expect(land([], in: "us").state == .passed)
        #expect(land(["eu"], in: "eu").state == .passed)
        let stray = land(["eu"], in: "eu-west")
        #expect(stray.state == .failed && stray.evidence["strays"] == ["gold.sums"], "zones are whole words")
        for zone in ["eu", "ch", "us"] {
            let torn = land(["eu", "ch"], in: zone)
            #expect(torn.state == .failed && torn.message.contains("bound to ch, eu"), "\(torn.message)")
        }
        #expect(land([], in: nil).state == .failed, "an environment that does not say where it is")
    }

    // MARK: Comparisons

    @Test(
        arguments: [
            (0, 0, true), (Int64.max, Int64.max, true), (Int64.max, 0, false), (Int64.max, 1, false), (0, Int64.max, false),
            (1, Int64.max, false), (Int64.max, Int64.max / 2, false), (Int64.max, Int64.max - 1, true),
        ] as [(Int64, Int64, Bool)])
    func `row counts may be as large as they come`(rows: Int64, base: Int64, passes: Bool) throws {
        let sums = try #require(AssetName("gold.sums"))
        let verdict = judge(.dataDiff(.init(maxRowChange: 5, minKeyMatch: 99))) { facts in
            facts.comparable = [sums]
            facts.comparisons[sums] = GateFacts.Comparison(at: Self.morning, rows: rows, baseRows: base, keyMatch: 100)
        }
        #expect(verdict.state == (passes ? .passed : .failed), "\(verdict.message)")
    }
}
