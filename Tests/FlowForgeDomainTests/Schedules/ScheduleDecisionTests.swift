import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@Suite struct ScheduleDecisionTests {
    private let noon = time("2025-06-02T12:00:00Z")!

    private func schedule(
        _ cron: String, zone: String = "UTC", dst: DSTPolicy = .once, blackouts: [Blackout] = [], jitter: Int = 0,
        catchUp: CatchUp = .none
    ) throws -> Schedule {
        try Schedule(
            .cron(CronExpression(cron)), zone: ScheduleZone(zone), dst: dst, blackouts: blackouts, jitterSeconds: jitter,
            catchUp: catchUp)
    }

    private func verdicts(_ decisions: Decisions) -> [String] {
        decisions.items.map { item in
            let what = if case .skip(let reason) = item.verdict { reason.rawValue } else { "\(item.verdict)" }
            return item.count == 1 ? what : "\(item.count) \(what)"
        }
    }

    // MARK: Catch-up

    @Test func `a tick that is on time fires, and the next one is named`() throws {
        let decisions = try schedule("0 * * * *").decide(since: noon - 3600, until: noon + 5, id: "a")
        #expect(decisions.items == [Decision(Tick(scheduled: noon, due: noon), .fire)])
        #expect(decisions.through == noon + 5 && decisions.next == noon + 3600)
    }

    @Test(arguments: [
        (CatchUp.Mode.none, 86_400, 100, ["5 missed"]), (.last, 86_400, 100, ["4 superseded", "caughtUp"]),
        (.all, 86_400, 100, ["caughtUp", "caughtUp", "caughtUp", "caughtUp", "caughtUp"]),
        (.all, 86_400, 2, ["3 cap", "caughtUp", "caughtUp"]), (.all, 7200, 100, ["3 window", "caughtUp", "caughtUp"]),
        (.last, 60, 1, ["5 window"]),
    ])
    func `missed ticks follow the policy`(mode: CatchUp.Mode, window: Int, cap: Int, expected: [String]) throws {
        let catchUp = try CatchUp(mode, windowSeconds: window, cap: cap)
        let decisions = try schedule("0 * * * *", catchUp: catchUp)
            .decide(since: noon - 5 * 3600, until: noon + 600, id: "a")
        #expect(verdicts(decisions) == expected)
    }

    @Test func `the last missed one does not run beside one that is on time`() throws {
        let schedule = try schedule("0 * * * *", catchUp: CatchUp(.last))
        #expect(verdicts(schedule.decide(since: noon - 3 * 3600, until: noon + 1, id: "a")) == ["2 superseded", "fire"])
    }

    @Test func `what was due while somebody was there is on time, for an hour`() throws {
        let schedule = try schedule("* * * * *", catchUp: CatchUp(.last))
        func decided(_ now: Date, _ attended: Date?) -> [String] {
            verdicts(schedule.decide(since: noon - 1, until: now, id: "a", attended: attended))
        }
        #expect(decided(noon + 130, nil) == ["2 superseded", "fire"])
        #expect(decided(noon + 130, noon - 5) == ["fire", "fire", "fire"])
        #expect(decided(noon + 130, noon + 60) == ["fire", "fire", "fire"], "a minute late when it could first be seen")
        #expect(decided(noon + 130, noon + 61) == ["superseded", "fire", "fire"])
        #expect(decided(noon + 3661, noon).prefix(2) == ["2 superseded", "fire"])
    }

    @Test func `what is caught up is no tick of a blackout`() throws {
        let nights = try Blackout.weekly(from: "10:00", until: "12:00")
        let late = try schedule("0 * * * *", blackouts: [nights], catchUp: CatchUp(.all, cap: 2))
        #expect(
            verdicts(late.decide(since: noon - 5 * 3600, until: noon + 600, id: "a"))
                == ["cap", "caughtUp", "2 blackout", "caughtUp"])
    }

    @Test func `a pause skips all`() throws {
        let schedule = try schedule("0 * * * *", catchUp: CatchUp(.all))
        let decisions = schedule.decide(since: noon - 3 * 3600, until: noon + 1, id: "a", paused: true)
        #expect(verdicts(decisions) == ["3 paused"])
        #expect(decisions.items[0].tick.scheduled == noon - 7200 && decisions.items[0].through == noon)
    }

    @Test func `a clock set back decides nothing twice`() throws {
        let schedule = try schedule("* * * * *")
        let decisions = schedule.decide(since: noon, until: noon - 3600, id: "a")
        #expect(decisions.items.isEmpty && decisions.through == noon && decisions.next == noon + 60)
    }

    @Test(arguments: [CatchUp.Mode.none, .last, .all])
    func `ten years of minutes are counted, in little time and space`(mode: CatchUp.Mode) throws {
        let schedule = try schedule("* * * * *", zone: "Europe/London", catchUp: CatchUp(mode, windowSeconds: 3600, cap: 1000))
        var decisions = Decisions(items: [], through: noon, next: nil)
        let spent = processorTime {
            decisions = schedule.decide(since: noon - 3652 * 86_400, until: noon + 30, id: "a")
        }
        #expect(decisions.items.reduce(0) { $0 + $1.count } == 3652 * 1440)
        #expect(decisions.items.count < 100)
        #expect(decisions.items.last?.verdict == .fire)
        #expect(spent < .seconds(3))
    }

    @Test func `a year of seconds is counted too`() throws {
        let schedule = try Schedule(.interval(Interval(seconds: 1)), catchUp: CatchUp(.all, windowSeconds: 600, cap: 3))
        let decisions = schedule.decide(since: noon - 366 * 86_400, until: noon, id: "a")
        // What was due up to a minute ago is on time: 61 of them.
        #expect(verdicts(decisions).prefix(3) == ["\(366 * 86_400 - 600) window", "536 cap", "caughtUp"])
        #expect(decisions.items.filter { $0.verdict == .fire }.count == 61)
    }

    // MARK: Everything once

    @Test func `wherever the calls fall, each tick is decided once and in order`() throws {
        var random = SeededNumbers(seed: 11)
        let zones = ["America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "UTC"]
        for _ in 0..<150 {
            let schedule = try Schedule(
                .cron(
                    CronExpression(
                        ["*/7 * * * *", "*/20 1-3 * * *", "30 1,2 * * *", "0 */5 * * *"].randomElement(using: &random)!)),
                zone: ScheduleZone(zones.randomElement(using: &random)!), dst: DSTPolicy.allCases.randomElement(using: &random)!,
                blackouts: Bool.random(using: &random) ? [.weekly(days: ["SUN", "TUE"], from: "01:10", until: "02:20")] : [],
                jitterSeconds: [0, 20, 7200].randomElement(using: &random)!,
                catchUp: CatchUp(CatchUp.Mode.allCases.randomElement(using: &random)!, windowSeconds: 7200, cap: 3))
            let begin = time(
                ["2025-03-29T00:00:00Z", "2025-10-04T00:00:00Z", "2025-11-01T00:00:00Z"].randomElement(using: &random)!)!
            let end = begin + 3 * 86_400
            let whole = Set(ticks(schedule, from: begin, to: end + 86_400))

            var since = begin
            var now = begin
            var decided: [Decision] = []
            while now < end {
                now = min(end, now + Double.random(in: -60...20_000, using: &random))
                let decisions = schedule.decide(since: since, until: now, id: "x")
                #expect(decisions.through >= since && decisions.through <= max(now, since))
                #expect(decisions.items.allSatisfy { $0.tick.due <= now && $0.tick.due >= $0.tick.scheduled })
                decided += decisions.items
                since = decisions.through
            }
            #expect(zip(decided, decided.dropFirst()).allSatisfy { $0.through < $1.tick.scheduled && $0.tick.due <= $1.tick.due })
            let named = Set(decided.flatMap { [$0.tick.scheduled, $0.through] })
            #expect(named.isSubset(of: whole))
            #expect(decided.reduce(0) { $0 + $1.count } == whole.filter { $0 <= since }.count)
        }
    }

    /// Every tick, run or skipped.
    private func ticks(_ schedule: Schedule, from: Date, to: Date) -> [Date] {
        var found: [Date] = []
        // One at a time: an item that stands for several names its first only.
        var at = from
        while let first = schedule.preview(after: at, count: 1, id: "x").first?.tick.scheduled, first <= to {
            found.append(first)
            at = first
        }
        return found
    }

    // MARK: Jitter

    @Test func `jitter is bounded, keeps the order and says the same each time`() throws {
        let plain = try schedule("*/5 * * * *")
        for jitter in [1, 30, 86_400] {
            let schedule = try schedule("*/5 * * * *", jitter: jitter)
            let preview = schedule.preview(after: noon, count: 300, id: "one")
            #expect(preview == schedule.preview(after: noon, count: 300, id: "one"))
            #expect(preview.map(\.tick.scheduled) == plain.preview(after: noon, count: 300, id: "one").map(\.tick.scheduled))
            let delays = preview.map { $0.tick.due.timeIntervalSince($0.tick.scheduled) }
            #expect(delays.allSatisfy { $0 >= 0 && $0 < Double(min(jitter, 300)) })
            #expect(zip(preview, preview.dropFirst()).allSatisfy { $0.tick.due < $1.tick.scheduled })
            // Spread out: each third of the range is met.
            for third in 0..<3 { #expect(delays.contains { Int($0 / Double(min(jitter, 300)) * 3) == third }) }
            #expect(preview.map(\.tick.due) != schedule.preview(after: noon, count: 300, id: "two").map(\.tick.due))
        }
    }

    @Test func `the delay of a tick is part of the contract`() throws {
        // Written down once: another build that computed other delays would fire a tick again or not at all.
        let preview = try schedule("0 * * * *", jitter: 600).preview(after: noon, count: 3, id: "trg_1")
        #expect(
            preview.map { Int(($0.tick.due.timeIntervalSince($0.tick.scheduled) * 1000).rounded()) } == [
                464_756, 164_777, 114_394,
            ])
    }

    @Test func `a tick that jitter holds back is neither decided nor passed`() throws {
        let schedule = try schedule("0 * * * *", jitter: 3000)
        let tick = try #require(schedule.preview(after: noon, count: 1, id: "a").first?.tick)
        try #require(tick.due > tick.scheduled + 2)
        let early = schedule.decide(since: noon, until: tick.scheduled + 1, id: "a")
        #expect(early.items.isEmpty && early.through < tick.scheduled && early.next == tick.due)
        let late = schedule.decide(since: early.through, until: tick.due, id: "a")
        #expect(late.items.map(\.tick) == [tick] && late.items[0].verdict == .fire)
    }

    @Test func `who cannot wait decides what jitter holds back`() throws {
        let schedule = try schedule("0 * * * *", jitter: 3000)
        let tick = try #require(schedule.preview(after: noon, count: 1, id: "a").first?.tick)
        let decisions = schedule.decide(since: noon, until: tick.scheduled, id: "a", early: true)
        #expect(decisions.items == [Decision(tick, .fire)] && decisions.through == tick.scheduled)
        #expect(try #require(schedule.ticks(after: noon, through: noon + 7200)) == (noon + 3600, noon + 7200, 2))
        #expect(schedule.ticks(after: noon, through: noon + 3599) == nil)
    }

    @Test func `jitter leads into no blackout`() throws {
        let blackout = try Blackout.weekly(from: "12:01", until: "24:00")
        let schedule = try schedule("0 * * * *", blackouts: [blackout], jitter: 3000)
        for item in schedule.preview(after: noon - 86_400, count: 200, id: "a") where item.verdict == .fire {
            let minute = Int(item.tick.due.timeIntervalSince1970) % 86_400 / 60
            #expect(minute < 12 * 60 + 1)
        }
    }

    // MARK: Blackouts

    @Test func `a blackout is by the wall of the zone, its beginning in and its end out`() throws {
        let weekend = try Blackout.weekly(days: ["sat"], from: "22:00", until: "06:00")
        let schedule = try schedule("0 * * * *", zone: "America/New_York", blackouts: [weekend])
        // Saturday 8 March 2025 is the night in which an hour is left out: 22, 23, 0, 1, 3, 4, 5 o'clock.
        let preview = schedule.preview(after: try #require(time("2025-03-09T01:30:00Z")), count: 2, id: "a")
        #expect(preview.map(\.count) == [1, 7, 1] && preview[1].verdict == .skip(.blackout))
        #expect(schedule.zone.text(of: preview[1].tick.scheduled) == "2025-03-08T22:00:00-05:00")
        #expect(schedule.zone.text(of: preview[2].tick.scheduled) == "2025-03-09T06:00:00-04:00")
    }

    @Test func `dates are whole days of the zone, the last one too`() throws {
        let freeze = try Blackout.dates(from: "2025-12-20", through: "2026-01-01")
        let schedule = try schedule("0 12 * * *", zone: "Pacific/Apia", blackouts: [freeze])
        let preview = schedule.preview(after: try #require(time("2025-12-18T12:00:00Z")), count: 2, id: "a")
        #expect(preview.map(\.count) == [1, 13, 1])
        #expect(schedule.zone.text(of: preview[2].tick.scheduled) == "2026-01-02T12:00:00+13:00")
    }

    @Test func `blackouts that leave nothing end the search`() throws {
        let always = try Blackout.weekly(from: "00:00", until: "24:00")
        for cron in ["* * * * *", "0 0 1 1 *"] {
            let schedule = try schedule(cron, zone: "Europe/London", blackouts: [always])
            #expect(schedule.next(after: noon) == nil)
            let decisions = schedule.decide(since: noon, until: noon + 90, id: "a")
            #expect(decisions.items.allSatisfy { $0.verdict == .skip(.blackout) } && decisions.next != nil)
        }
    }

    @Test func `when to look again is found soon, whatever blackouts there are`() throws {
        let always = try Blackout.weekly(from: "00:00", until: "24:00")
        let schedule = try schedule("* * * * *", zone: "Europe/London", blackouts: [always])
        var decisions = Decisions(items: [], through: noon, next: nil)
        let spent = ContinuousClock().measure {
            for _ in 0..<10 { decisions = schedule.decide(since: noon, until: noon + 90, id: "a") }
        }
        #expect(spent < .seconds(2))
        let next = try #require(decisions.next)
        #expect(next > noon + 86_400 && next < noon + 600 * 86_400)
    }

    @Test func `blackouts of the whole week are refused, and one free minute is enough`() throws {
        let halves = [try Blackout.weekly(from: "06:00", until: "18:00"), try .weekly(from: "17:00", until: "06:00")]
        let never = try schedule("0 * * * *", blackouts: halves)
        #expect(throws: ScheduleFault.self) { try never.checkBlackouts() }
        let free = try Blackout.weekly(days: ["MON", "TUE", "WED", "THU", "FRI", "SAT"], from: "00:00", until: "24:00")
        try schedule("0 * * * *", blackouts: [free, .weekly(days: ["SUN"], from: "00:01", until: "24:00")]).checkBlackouts()
        try schedule("0 * * * *").checkBlackouts()
    }

    @Test(arguments: [
        #"{"days":["MOO"],"from":"01:00","until":"02:00"}"#, #"{"from":"1:00","until":"02:00"}"#,
        #"{"from":"25:00","until":"02:00"}"#, #"{"from":"24:01","until":"02:00"}"#, #"{"from":"00:60","until":"02:00"}"#,
        #"{"from":"2025-02-30","through":"2025-03-01"}"#, #"{"from":"2025-03-02","through":"2025-03-01"}"#,
        #"{"from":"2025-03-01T00:00","through":"2025-03-01"}"#, #"{"from":"2025-03-01","until":"2025-03-01"}"#,
        #"{"from":"99999-03-01","through":"99999-03-02"}"#, #"{"from":"２０２５-03-01","through":"2025-03-02"}"#, #"{"from":""}"#,
        "{}",
    ])
    func `a blackout that means nothing is refused`(json: String) {
        #expect(throws: (any Error).self) { try WireCoding.decode(Blackout.self, from: Data(json.utf8)) }
    }

    // MARK: Stored

    @Test func `a schedule is stored as what was written`() throws {
        let whole = try Schedule(
            .cron(CronExpression("0 9 * * MON-FRI")), zone: ScheduleZone("Europe/London"), dst: .both, start: noon,
            end: noon + 1e6,
            blackouts: [
                .weekly(days: ["SAT", "SUN"], from: "00:00", until: "24:00"), .dates(from: "2025-12-20", through: "2026-01-01"),
                .period(from: "2025-07-01T18:00", until: "2025-07-02T06:00"), .weekly(from: "22:00", until: "02:00"),
            ], jitterSeconds: 30, catchUp: CatchUp(.all, windowSeconds: 7200, cap: 5))
        #expect(try WireCoding.decode(Schedule.self, from: WireCoding.encode(whole)) == whole)
        let small = try Schedule(.interval(Interval(seconds: 900)))
        #expect(
            String(decoding: try WireCoding.encode(small), as: UTF8.self)
                == #"{"dst":"once","interval":{"seconds":900},"zone":"UTC"}"#)
        #expect(try WireCoding.decode(Schedule.self, from: WireCoding.encode(small)) == small)
    }

    @Test(arguments: [
        "{}", #"{"cron":"* * * *"}"#, #"{"cron":"@daily","zone":"Mars/Base"}"#, #"{"cron":"@daily","dst":"maybe"}"#,
        #"{"interval":{"seconds":0}}"#, #"{"interval":{"seconds":1e300}}"#, #"{"cron":"@daily","jitterSeconds":-1}"#,
        #"{"cron":"@daily","catchUp":{"mode":"all","cap":1000000}}"#,
        #"{"cron":"@daily","catchUp":{"mode":"all","windowSeconds":0}}"#,
    ])
    func `what is no schedule is not read`(json: String) {
        #expect(throws: (any Error).self) { try WireCoding.decode(Schedule.self, from: Data(json.utf8)) }
    }
}
