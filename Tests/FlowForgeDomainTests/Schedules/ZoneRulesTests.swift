import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeDomain

/// TZif files of the machine against Foundation's own data.
@Suite struct ZoneRulesTests {
    private static let folder = URL(filePath: "/usr/share/zoneinfo")

    private static func file(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    @Test func `files give the offsets that Foundation's data give`() throws {
        let version = try String(contentsOf: Self.folder.appending(path: "tzdata.zi"), encoding: .utf8).prefix(15).suffix(5)
        // Of another release only the past is the same.
        let same = version == TimeZone.timeZoneDataVersion
        let names =
            same
            ? TimeZone.knownTimeZoneIdentifiers : ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll"]
        var compared = 0
        for name in names {
            guard let file = try? Self.file(name), let zone = TimeZone(identifier: name) else { continue }
            let rules = try #require(ZoneRules(file: file), "\(name)")
            compared += 1
            for second in stride(from: 0, through: same ? Instant.range.upperBound : 1_735_000_000, by: 700_001) {
                let expected = zone.secondsFromGMT(for: Instant.date(second))
                guard rules.offset(at: second) != expected else { continue }
                Issue.record("\(name) at \(Instant.date(second)): \(rules.offset(at: second)), not \(expected)")
                break
            }
        }
        #expect(compared > (same ? 400 : 3))
    }

    @Test func `a schedule in a zone that was read fires at the same instants`() throws {
        for name in ["America/New_York", "Australia/Lord_Howe", "Antarctica/Troll"] {
            let read = ScheduleZone(name, rules: try #require(ZoneRules(file: Self.file(name))))
            for cron in ["30 2 * * *", "*/30 * * * *", "30 1 * * SUN"] {
                let begin = try #require(time("2024-01-01T00:00:00Z"))
                let here = try Schedule(.cron(CronExpression(cron)), zone: read).preview(after: begin, count: 400, id: "a")
                let there = try Schedule(.cron(CronExpression(cron)), zone: ScheduleZone(name)).preview(
                    after: begin, count: 400, id: "a")
                #expect(here == there)
            }
        }
    }

    @Test(arguments: [
        (
            "EST5EDT,M3.2.0,M11.1.0",
            [("2025-03-09T06:59:59Z", -18000), ("2025-03-09T07:00:00Z", -14400), ("2025-11-02T06:00:00Z", -18000)]
        ),
        (
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            [("2025-04-05T14:59:59Z", 39600), ("2025-04-05T15:00:00Z", 37800), ("2025-10-04T15:30:00Z", 39600)]
        ),
        (
            "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
            [("2025-03-30T00:59:59Z", 0), ("2025-03-30T01:00:00Z", 7200), ("2025-10-26T01:00:00Z", 0)]
        ),
        ("IST-2IDT,M3.4.4/26,M10.5.0", [("2025-03-27T23:59:59Z", 7200), ("2025-03-28T00:00:00Z", 10800)]),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", [("2025-03-30T00:59:59Z", -7200), ("2025-03-30T01:00:00Z", -3600)]),
        ("XXX0YYY,J60/0,J300/0", [("2024-02-29T23:59:59Z", 0), ("2024-03-01T00:00:00Z", 3600), ("2025-03-01T00:00:00Z", 3600)]),
        ("UTC0", [("2025-03-01T00:00:00Z", 0)]),
    ])
    func `the rule of the future is read as POSIX says`(text: String, expected: [(String, Int)]) throws {
        let rule = try #require(PosixZone(text))
        for (at, offset) in expected { #expect(rule.offset(at: Instant.second(of: try #require(time(at)))) == offset, "\(at)") }
    }

    @Test(arguments: [
        "", "E", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0", "EST999999", "<EST5",
        "EST5EDT,M3.2.0,M11.1.0x", "EST5EDT,,", "EST5EDT,J0,J1", "EST5:99",
    ])
    func `what is no rule is not read`(text: String) { #expect(PosixZone(text) == nil) }

    @Test func `a damaged file is refused or read, and never traps`() throws {
        let file = try Self.file("America/New_York")
        try #require(ZoneRules(file: file) != nil)
        for length in stride(from: 0, to: file.count, by: 7) { #expect(ZoneRules(file: file.prefix(length)) == nil) }
        var random = SeededNumbers(seed: 5)
        for _ in 0..<3000 {
            var damaged = file
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                damaged[damaged.indices.randomElement(using: &random)!] = UInt8.random(in: 0...255, using: &random)
            }
            guard let rules = ZoneRules(file: damaged) else { continue }
            for second in [0, 1_000_000_000, 7_000_000_000] { #expect(abs(rules.offset(at: second)) < 200 * 3600) }
        }
    }
}
