import Foundation
import Subprocess
import Testing

@testable import FlowForgeDomain

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Every kind of schedule at clock changes, against tables that another implementation wrote
/// (golden.py: other language, other zone data, other direction of search).
@Suite struct GoldenTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()

    private struct Table {
        var zone: String
        var cadence: String
        var begin: Date
        var end: Date
        var rows: [String]
    }

    private struct Change {
        var zone: String
        var line: String
        var at: Date
    }

    @Test func `the zone data of both sides agree`() throws {
        // Told apart from the tables: a difference here is a release of the tz database, not a fault of ours.
        // Regenerate the tables when both sides have it.
        for change in try Self.read().changes {
            let zone = try ScheduleZone(change.zone)
            let second = Instant.second(of: change.at)
            let found = zone.change(after: second - 86_400, through: second + 86_400)
            let line = found.map { "change \(stamp($0.at)) from \($0.before) to \($0.after) seconds" } ?? "no change"
            #expect(line == change.line, "\(change.zone), Foundation's data are \(TimeZone.timeZoneDataVersion)")
        }
    }

    @Test func `every table is what the rules say`() throws {
        let tables = try Self.read().tables
        try #require(tables.count > 300)
        for table in tables {
            #expect(try rows(table) == table.rows, "\(table.cadence) in \(table.zone)")
        }
    }

    @Test func `the other implementation still writes these tables`() async throws {
        let golden = try String(contentsOf: Self.folder.appending(path: "dst.golden"), encoding: .utf8)
        #expect(try await Self.python([]) == golden, "write them anew: python3 golden.py > dst.golden")
    }

    @Test func `a third one agrees where it means the same`() async throws {
        let said = try await Self.python(["--others"])
        #expect(said.contains("tables compared with cronsim"), "\(said)")
    }

    // MARK: The product's tables

    private func rows(_ table: Table) throws -> [String] {
        let cadence: Schedule.Cadence =
            if let seconds = Int(table.cadence) {
                .interval(try Interval(seconds: seconds))
            } else {
                .cron(try CronExpression(table.cadence))
            }
        let zone = try ScheduleZone(table.zone)
        let columns = try [DSTPolicy.skip, .once, .both].map { dst in
            var walk = Walk(try Schedule(cadence, zone: zone, dst: dst), after: Instant.second(of: table.begin))
            var pieces: [Walk.Piece] = []
            while let piece = walk.next(through: Instant.second(of: table.end)) { pieces.append(piece) }
            return pieces
        }
        // Policies differ in what becomes of a tick, never in which there are.
        let all = columns.map { $0.map(\.first.at) }
        try #require(all[0] == all[1] && all[1] == all[2])
        return columns[0].indices.map { index in
            let verdicts = columns.map { ($0[index].skip?.rawValue ?? "fire").padding(toLength: 8, withPad: " ", startingAt: 0) }
            let remark =
                switch columns[0][index].first.clock {
                case .plain: ""
                case .first: "first"
                case .second: "second"
                case .gap(let from, let count): "after \(count) from \(from)"
                }
            let line =
                "  \(zone.text(of: Instant.date(columns[0][index].first.at)))  \(verdicts.joined())\(table.cadence.contains(" ") ? remark : "")"
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    private func stamp(_ second: Int) -> String { Instant.date(second).formatted(.iso8601) }

    // MARK: Reading

    private static func read() throws -> (changes: [Change], tables: [Table]) {
        var changes: [Change] = []
        var tables: [Table] = []
        var zone = ""
        for line in try String(contentsOf: folder.appending(path: "dst.golden"), encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "#": continue
            case "zone": zone = words[1]
            case "change": changes.append(Change(zone: zone, line: String(line), at: try #require(time(words[1]))))
            case "cron", "every":
                tables.append(
                    Table(
                        zone: zone, cadence: words.dropFirst().joined(separator: " "), begin: .distantPast, end: .distantPast,
                        rows: []))
            case _ where words.count == 3 && words[1] == "to":
                tables[tables.count - 1].begin = try #require(time(words[0]))
                tables[tables.count - 1].end = try #require(time(words[2]))
            default: tables[tables.count - 1].rows.append(String(line))
            }
        }
        return (changes, tables)
    }

    private static func python(_ arguments: [String]) async throws -> String {
        // Not by "..", whose resolution would follow the link out of the virtual environment.
        let checkout = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let python = checkout.appending(path: ".tools/python/bin/python")
        try #require(FileManager.default.isExecutableFile(atPath: python.path), "\(python.path) is missing; run `make tools`")
        let result = try await Subprocess.run(
            .path(FilePath(python.path)), arguments: Arguments([folder.appending(path: "golden.py").path] + arguments),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        #expect(result.terminationStatus.isSuccess, "\(result.standardError) \(result.standardOutput)")
        return result.standardOutput
    }
}
