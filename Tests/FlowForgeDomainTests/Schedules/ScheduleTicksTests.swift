import FlowForgeDomain
import FlowForgeTestValues
import Foundation
import Testing

@Suite struct ScheduleTicksTests {
    /// A month around each transition that is odd, and a quiet one.
    static let stretches: [(zone: String, from: String, days: Int)] = [
        ("America/New_York", "2025-03-07T12:00:00Z", 4), ("America/New_York", "2025-10-31T12:00:00Z", 4),
        ("Europe/London", "2024-03-29T12:00:00Z", 4), ("Europe/London", "2024-10-25T12:00:00Z", 4),
        ("Australia/Lord_Howe", "2025-04-04T12:00:00Z", 3), ("Australia/Lord_Howe", "2025-10-03T12:00:00Z", 3),
        ("Pacific/Apia", "2011-12-28T12:00:00Z", 4), ("Africa/Casablanca", "2025-02-21T12:00:00Z", 4),
        ("Africa/Casablanca", "2025-04-04T12:00:00Z", 4), ("Antarctica/Troll", "2025-03-28T12:00:00Z", 4),
        ("Antarctica/Troll", "2025-10-24T12:00:00Z", 4), ("America/St_Johns", "2006-10-27T12:00:00Z", 4),
        ("America/Santiago", "2024-09-06T12:00:00Z", 4), ("Asia/Kathmandu", "2024-02-27T12:00:00Z", 4),
        ("Pacific/Kwajalein", "1993-08-19T12:00:00Z", 4), ("America/Recife", "2000-10-06T12:00:00Z", 10),
    ]

    @Test(arguments: stretches)
    func `a search and a look at every minute agree`(zone: String, from: String, days: Int) throws {
        var random = SeededNumbers(seed: UInt64(from.utf8.reduce(0) { $0 &* 31 &+ Int($1) } & 0xFFFF))
        let after = try #require(time(from))
        let through = after.addingTimeInterval(Double(days) * 86_400)
        var compared = 0
        let stretch = MinuteByMinute.Stretch(zone: try #require(TimeZone(identifier: zone)), after: after, through: through)
        for _ in 0..<40 {
            let slow = MinuteByMinute(using: &random)
            guard let cron = try? CronExpression(slow.text) else { continue }
            for dst in DSTPolicy.allCases {
                let schedule = try Schedule(.cron(cron), zone: ScheduleZone(zone), dst: dst)
                var found: [Date] = []
                var at = after
                while let next = schedule.next(after: at), next <= through {
                    #expect(next > at)
                    found.append(next)
                    at = next
                }
                #expect(
                    found == slow.firings(in: stretch, dst: dst),
                    "\(slow.text) in \(zone), \(dst)")
                compared += found.count
            }
        }
        #expect(compared > 0)
    }

    @Test func `the next tick is later than the one before, and nothing is between`() throws {
        var random = SeededNumbers(seed: 3)
        let zones = ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll", "UTC"]
        for _ in 0..<300 {
            guard let cron = try? CronExpression(MinuteByMinute(using: &random).text) else { continue }
            let schedule = try Schedule(
                .cron(cron), zone: ScheduleZone(zones.randomElement(using: &random)!),
                dst: DSTPolicy.allCases.randomElement(using: &random)!)
            let begin = Date(timeIntervalSince1970: Double.random(in: 1.2e9...2.2e9, using: &random))
            guard let first = schedule.next(after: begin), let second = schedule.next(after: first) else { continue }
            #expect(begin < first && first < second)
            // From anywhere between two ticks the later one is next.
            let between = first.addingTimeInterval(Double.random(in: 0..<second.timeIntervalSince(first), using: &random))
            #expect(schedule.next(after: between) == second)
        }
    }

    @Test(arguments: [
        ("0 0 29 2 *", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("0 0 29 2 */3", "2026-01-01T00:00:00Z", "2032-02-29T00:00:00Z"),
        ("0 0 */28 2 6", "2026-01-01T00:00:00Z", "2031-02-01T00:00:00Z"),
        ("0 0 31 1 *", "1960-01-01T00:00:00Z", "1970-01-31T00:00:00Z"),
    ])
    func `rare days are found`(text: String, after: String, expected: String) throws {
        let schedule = try Schedule(.cron(CronExpression(text)))
        #expect(schedule.next(after: try #require(time(after))) == time(expected))
    }

    @Test func `a time that never exists is looked for within bounds`() throws {
        // London's clocks leave out 01:30 of each last Sunday of March, and nothing else.
        let schedule = try Schedule(.cron(CronExpression("30 1 * 3 SUNL")), zone: ScheduleZone("Europe/London"), dst: .skip)
        #expect(schedule.next(after: try #require(time("2025-01-01T00:00:00Z"))) == nil)
        let preview = schedule.preview(after: try #require(time("2025-01-01T00:00:00Z")), count: 3, id: "a")
        #expect(preview.map(\.verdict) == [.skip(.gap)])
        #expect(preview.first?.count == 50)
    }

    @Test func `instants beyond all calendars are harmless`() throws {
        let daily = try Schedule(.cron(CronExpression("@daily")))
        let hourly = try Schedule(.interval(Interval(seconds: 3600)))
        for schedule in [daily, hourly] {
            #expect(schedule.next(after: .distantPast) != nil)
            #expect(schedule.next(after: .distantFuture) == nil)
            for odd in [Double.nan, .infinity, -.infinity, 1e300, -1e300] {
                _ = schedule.next(after: Date(timeIntervalSince1970: odd))
                _ = schedule.decide(since: Date(timeIntervalSince1970: odd), until: Date(timeIntervalSince1970: -odd), id: "a")
            }
        }
    }

    @Test func `an interval is elapsed time from its anchor, both ways`() throws {
        let anchor = try #require(time("2025-03-08T09:00:00Z"))
        let daily = try Schedule(.interval(Interval(seconds: 86_400, anchor: anchor)), zone: ScheduleZone("America/New_York"))
        // 04:00 in winter, 05:00 in summer: a day is 86,400 seconds.
        #expect(daily.next(after: anchor.addingTimeInterval(-1)) == anchor)
        #expect(daily.next(after: anchor) == time("2025-03-09T09:00:00Z"))
        #expect(daily.next(after: try #require(time("2025-03-01T00:00:00Z"))) == time("2025-03-01T09:00:00Z"))
        #expect(throws: ScheduleFault.self) { try Interval(seconds: 0) }
        #expect(throws: ScheduleFault.self) { try Interval(seconds: .max) }
    }

    @Test func `start belongs to a schedule, end does not`() throws {
        let (start, end) = (try #require(time("2025-01-02T00:00:00Z")), try #require(time("2025-01-04T00:00:00Z")))
        let daily = try Schedule(.cron(CronExpression("@daily")), start: start, end: end)
        #expect(daily.next(after: .distantPast) == start)
        #expect(daily.next(after: start) == time("2025-01-03T00:00:00Z"))
        #expect(daily.next(after: try #require(time("2025-01-03T00:00:00Z"))) == nil)
        #expect(throws: ScheduleFault.self) { try Schedule(.cron(CronExpression("@daily")), start: end, end: start) }
    }

    @Test(arguments: [
        ("london", "'Europe/London'"), ("Europe/Londn", "'Europe/London'"), ("new york", "'America/New_York'"),
        ("EST", "Area/City"),
        ("PST", "Area/City"), ("GMT+5", "Area/City"), ("", "Area/City"), ("../../etc/passwd", "Area/City"),
        ("/etc/passwd", "Area/City"),
        ("Europe/London\u{0}", ""), ("Mars/Olympus", "Area/City"), ("utc", "'UTC'"), ("+01:00", "Area/City"),
    ])
    func `a zone that does not exist is refused with the nearest that does`(name: String, hint: String) {
        let fault = #expect(throws: ScheduleFault.self) { try ScheduleZone(name) }
        #expect(hint.isEmpty || fault?.hint?.contains(hint) == true, "\(fault?.hint ?? "")")
    }
}

func time(_ text: String) -> Date? { try? Date(text, strategy: .iso8601) }
