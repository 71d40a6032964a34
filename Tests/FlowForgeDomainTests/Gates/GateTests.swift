import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

struct GateTests {
    private let noon = Date(timeIntervalSince1970: 1_800_000_000)

    private func judge(_ rule: GateSpec.Rule, validFor: Double? = nil, _ change: (inout GateFacts) -> Void = { _ in })
        -> GateVerdict
    {
        var facts = GateFacts(now: noon)
        change(&facts)
        return GateSpec(name: "gate", validForSeconds: validFor, rule: rule).judge(facts)
    }

    private func yes(_ name: String, _ approves: Bool = true, ago: Double = 60) -> GateFacts.Approval {
        .init(principal: name, approves: approves, at: noon - ago, reason: "because")
    }

    @Test func `approvals count by principal, the latest of each, and never the requester's`() {
        let two = GateSpec.Rule.approval(.init(count: 2))
        #expect(judge(two).state == .pending)
        #expect(judge(two) { $0.approvals = [yes("ann"), yes("ann")] }.state == .pending)
        #expect(judge(two) { $0.approvals = [yes("ann"), yes("bob")] }.state == .passed)
        let own = judge(two) { facts in
            facts.approvals = [yes("ann"), yes("bob")]
            facts.requesters = ["ann"]
        }
        #expect(own.state == .pending && own.message.contains("1 of 2") && own.message.contains("asked for"))
        #expect(judge(two) { $0.approvals = [yes("ann", ago: 90), yes("bob"), yes("ann", false)] }.state == .failed)
        #expect(judge(two) { $0.approvals = [yes("ann", false, ago: 90), yes("bob"), yes("ann")] }.state == .passed)
        let named = GateSpec.Rule.approval(.init(count: 1, from: ["cleo", "dan"]))
        #expect(
            judge(named) { $0.approvals = [yes("bob"), yes("ann", false)] }.state == .pending, "words of others do not count")
        #expect(judge(named) { $0.approvals = [yes("dan")] }.state == .passed)
        let alone = GateSpec.Rule.approval(.init(count: 1, separationOfDuties: false))
        let same = judge(alone) { facts in
            facts.approvals = [yes("ann")]
            facts.requesters = ["ann"]
        }
        #expect(same.state == .passed)
    }

    @Test func `an approval that is older than it may be counts as none`() {
        let rule = GateSpec.Rule.approval(.init())
        #expect(judge(rule, validFor: 59) { $0.approvals = [yes("ann")] }.state == .pending)
        let fresh = judge(rule, validFor: 61) { $0.approvals = [yes("ann")] }
        #expect(fresh.state == .passed && fresh.until == noon + 1)
    }

    @Test func `quality wants this digest green in an upstream`() {
        let rule = GateSpec.Rule.quality(.init())
        #expect(judge(rule).state == .failed, "there is no upstream")
        func with(_ upstream: GateFacts.Upstream) -> GateVerdict { judge(rule) { $0.upstreams = ["qa": upstream] } }
        #expect(with(.init(succeeded: ["daily": 0])).state == .pending)
        #expect(with(.init(succeeded: ["daily": 1], lastRunAt: noon)).state == .passed)
        #expect(with(.init(succeeded: ["daily": 1, "hourly": 0], lastRunAt: noon)).state == .pending)
        let red = with(.init(succeeded: ["daily": 3], failedChecks: ["gold.sums.unique(id)"], lastRunAt: noon))
        #expect(red.state == .failed && red.message.contains("gold.sums.unique(id)"))
        #expect(with(.init(succeeded: ["daily": 1], warnedChecks: ["a"], lastRunAt: noon)).state == .passed)
        let strict = judge(.quality(.init(strict: true))) {
            $0.upstreams = ["qa": .init(succeeded: ["daily": 1], warnedChecks: ["a"], lastRunAt: noon)]
        }
        #expect(strict.state == .failed)
        let old = judge(rule, validFor: 10) { $0.upstreams = ["qa": .init(succeeded: ["daily": 1], lastRunAt: noon - 11)] }
        #expect(old.state == .pending)
    }

    @Test func `a soak opens when its time is over, and says when`() {
        let rule = GateSpec.Rule.soak(.init(environment: "qa", seconds: 3600))
        #expect(judge(rule).state == .pending)
        let early = judge(rule) { $0.upstreams = ["qa": .init(since: noon - 3599)] }
        #expect(early.state == .pending && early.until == noon + 1)
        #expect(judge(rule) { $0.upstreams = ["qa": .init(since: noon - 3600)] }.state == .passed)
    }

    @Test func `tables are compared by rows, keys, columns and schema`() throws {
        let sums = try #require(AssetName("gold.sums"))
        let gate = GateSpec.DataDiff(maxRowChange: 5, minKeyMatch: 99, minColumnMatch: 98)
        func with(_ comparison: GateFacts.Comparison?) -> GateVerdict {
            judge(.dataDiff(gate)) { facts in
                facts.comparable = [sums]
                facts.comparisons[sums] = comparison
            }
        }
        #expect(with(nil).state == .pending)
        let alike = GateFacts.Comparison(at: noon, rows: 104, baseRows: 100, keyMatch: 99.5, columnMatch: ["a": 98])
        #expect(with(alike).state == .passed)
        for (change, word) in [
            ({ $0.rows = 106 }, "6.0 % off"), ({ $0.keyMatch = 98.9 }, "98.9 % of the keys"), ({ $0.keyMatch = nil }, "no key"),
            ({ $0.columnMatch["a"] = 97 }, "97.0 % of a"), ({ $0.schemaChanges = ["-b"] }, "(-b)"),
            ({ $0.failure = "gone" }, "gone"),
        ] as [((inout GateFacts.Comparison) -> Void, String)] {
            var other = alike
            change(&other)
            let verdict = with(other)
            #expect(verdict.state == .failed && verdict.message.contains(word), "\(verdict.message)")
        }
    }

    @Test func `no table leaves its zone or lands above the highest class`() throws {
        let sums = try #require(AssetName("gold.sums")), raw = try #require(AssetName("bronze.raw"))
        let stray = judge(.residency) { facts in
            facts.residency = "us"
            facts.placements = [.init(asset: sums, zones: ["eu"], through: [raw])]
        }
        #expect(stray.state == .failed && stray.message == "gold.sums is bound to eu and would land in us (through bronze.raw)")
        #expect(
            judge(.residency) {
                $0.residency = "eu"; $0.placements = [.init(asset: sums, zones: ["eu"])]
            }.state == .passed)
        #expect(judge(.residency).state == .failed)
        let above = judge(.classification) { facts in
            facts.ceiling = .internal
            facts.placements = [.init(asset: sums, highest: .init(column: "name", level: .confidential))]
        }
        #expect(above.state == .failed && above.message == "gold.sums.name is confidential, above internal")
        #expect(DataClass.unknown > .restricted)
    }

    @Test func `a policy names the change and the columns that it reaches`() throws {
        let policy = GateSpec.Rule.policy(
            .init(deny: [.init(impact: .breaking, reaches: "gold.", message: "finance reads gold")]))
        let change = PlanChange(subject: "column", name: "silver.orders.net", action: "removed", impact: .breaking)
        let total = ColumnHit(
            environment: "prod", asset: try #require(AssetName("gold.revenue")), column: "total", because: change.name)
        let denied = judge(policy) {
            $0.changes = [change]; $0.downstream = [total]
        }
        #expect(denied.state == .failed)
        #expect(
            denied.message
                == "finance reads gold: column silver.orders.net is removed (breaking), which reaches gold.revenue.total")
        #expect(judge(policy) { $0.changes = [change] }.state == .passed, "it reaches no gold")
        var mild = change
        mild.impact = .nonBreaking
        #expect(
            judge(policy) {
                $0.changes = [mild]; $0.downstream = [total]
            }.state == .passed)
    }

    @Test func `costs, answers and windows`() throws {
        #expect(judge(.cost(.init(maxSeconds: 10))) { $0.cost = PlanCost(seconds: 11) }.state == .failed)
        #expect(judge(.cost(.init(maxAmount: 1))) { $0.cost = PlanCost(seconds: 11) }.state == .failed, "no rate, no amount")
        #expect(judge(.cost(.init(maxAmount: 1))) { $0.cost = PlanCost(seconds: 11, amount: 0.9) }.state == .passed)
        let external = GateSpec.Rule.external(.init(url: "https://example.org"))
        #expect(judge(external).state == .pending)
        let answer = GateFacts.Answer(passed: false, at: noon, by: "snow", message: "CHG1 is closed")
        #expect(judge(external) { $0.answers["gate"] = answer }.state == .failed)

        let berlin = try ScheduleZone("Europe/Berlin")
        let office = try Blackout.weekly(days: ["MON", "TUE", "WED", "THU", "FRI"], from: "09:00", until: "17:00")
        let freeze = ChangeWindows.Freeze(period: try .dates(from: "2027-12-20", through: "2028-01-06"), reason: "year end")
        let windows = ChangeWindows(zone: berlin, open: [office], freezes: [freeze])
        // Friday, 15 January 2027, 08:00 UTC is 09:00 in Berlin.
        let friday = try #require(WireCoding.time("2027-01-15T08:00:00Z"))
        #expect(windows.standing(at: friday) == .open)
        #expect(windows.standing(at: friday - 1) == .closed(until: friday))
        #expect(windows.standing(at: friday + 8 * 3600) == .closed(until: friday + 3 * 86_400))
        let frozen = windows.standing(at: try #require(WireCoding.time("2027-12-21T10:00:00Z")))
        #expect(frozen == .frozen(reason: "year end", until: nil))
    }

    @Test func `what stops a change is by enforcement, and an override lifts soft gates`() {
        func verdict(_ enforcement: GateSpec.Enforcement, _ state: GateVerdict.State) -> GateVerdict {
            GateVerdict(gate: "g", kind: "soak", enforcement: enforcement, state: state, message: "")
        }
        #expect([verdict(.advisory, .failed)].standing == .open)
        #expect([verdict(.soft, .failed)].standing == .denied)
        #expect([verdict(.hard, .pending), verdict(.hard, .passed)].standing == .pending)
        #expect([verdict(.unknown, .failed)].standing == .denied, "what is not known here stops")
        var lifted = verdict(.soft, .failed)
        lifted.override = .init(by: "olga", reason: "incident", at: noon)
        #expect([lifted].standing == .open)
    }

    @Test func `gates keep their form on the wire, and others are refused`() throws {
        let gates: [GateSpec] = [
            .init(name: "a", enforcement: .soft, validForSeconds: 60, rule: .approval(.init(count: 2, from: ["x", "y"]))),
            .init(name: "b", rule: .residency), .init(name: "c", rule: .policy(.init(deny: [.init(impact: .nonBreaking)]))),
            .init(name: "d", rule: .dataDiff(.init(assets: [], maxRowChange: 1))), .init(name: "e", rule: .window),
        ]
        #expect(try WireCoding.decode([GateSpec].self, from: WireCoding.encode(gates)) == gates)
        for text in [
            #"{"name":"a","enforcement":"hard","rule":{}}"#, #"{"name":"a","enforcement":"hard","rule":{"soak":{},"cost":{}}}"#,
            #"{"name":"a","enforcement":"hard","rule":{"soak":{"environment":"qa"}}}"#,
        ] {
            #expect(throws: DecodingError.self) { try WireCoding.decode(GateSpec.self, from: Data(text.utf8)) }
        }
    }
}
