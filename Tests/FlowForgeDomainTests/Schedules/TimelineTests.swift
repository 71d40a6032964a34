import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeDomain

@Suite struct TimelineTests {
    @Test func `counting gives as many ticks as going through them`() throws {
        var random = SeededNumbers(seed: 17)
        // Recife's clock was changed twice in a week in October 2000.
        let stretches = [
            ("America/Recife", "2000-10-06T12:00:00Z"), ("America/New_York", "2025-03-01T00:00:00Z"),
            ("Antarctica/Troll", "2025-10-20T00:00:00Z"), ("Pacific/Apia", "2011-12-20T00:00:00Z"),
            ("America/St_Johns", "2006-10-20T00:00:00Z"), ("Australia/Lord_Howe", "2025-04-01T00:00:00Z"),
        ]
        var compared = 0
        for round in 0..<400 {
            let (zone, from) = stretches[round % stretches.count]
            guard let cron = try? CronExpression(MinuteByMinute(using: &random).text) else { continue }
            let dst = DSTPolicy.allCases.randomElement(using: &random)!
            let timeline = Timeline(try Schedule(.cron(cron), zone: ScheduleZone(zone), dst: dst))
            let after = Instant.second(of: try #require(time(from))) + Int.random(in: 0..<86_400, using: &random)
            let through = after + Int.random(in: 0..<25 * 86_400, using: &random)
            var ticks: [Int] = []
            while let next = timeline.next(after: ticks.last ?? after, through: through) { ticks.append(next.at) }
            #expect(
                timeline.count(after: after, through: through) == ticks.count, "\(cron) in \(zone) from \(after) to \(through)")
            #expect(timeline.last(after: after, through: through) == ticks.last)
            compared += ticks.count
        }
        #expect(compared > 10_000)
    }

    @Test func `counting steps gives as many ticks as going through them`() throws {
        var random = SeededNumbers(seed: 19)
        for _ in 0..<500 {
            let anchor = Date(timeIntervalSince1970: Double(Int.random(in: 0..<10_000, using: &random)))
            let timeline = Timeline(
                try Schedule(.interval(Interval(seconds: Int.random(in: 1...500, using: &random), anchor: anchor))))
            let after = Int.random(in: 0...20_000, using: &random)
            let through = after + Int.random(in: 0...5000, using: &random)
            var ticks: [Int] = []
            while let next = timeline.next(after: ticks.last ?? after, through: through) { ticks.append(next.at) }
            #expect(timeline.count(after: after, through: through) == ticks.count)
            #expect(timeline.last(after: after, through: through) == ticks.last)
        }
    }
}
