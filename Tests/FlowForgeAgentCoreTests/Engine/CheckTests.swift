import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct CheckTests {
    @Test func `every kind of check passes and fails with counts`() async throws {
        let bench = try EngineBench()
        try await bench.run(try bench.select("SELECT * FROM (VALUES (1), (2)) t(id)", into: "silver.known"))
        let orphans = try #require(AssetName("silver.known"))
        func checks(_ severity: Severity) -> [CheckSpec] {
            let rules: [CheckSpec.Rule] = [
                .notNull(column: "name"), .unique(columns: ["id", "name"]),
                .acceptedValues(column: "name", values: ["a", "it's"]),
                .range(column: "id", minimum: 2, maximum: nil),
                .range(column: "at", minimum: "2022-01-01", maximum: "2022-01-31"),
                .rowCount(minimum: 5, maximum: nil), .relationships(column: "id", to: orphans, field: "id"),
                .freshness(column: "at", seconds: 60),
                .sql(query: "SELECT * FROM this JOIN silver.known USING (id) WHERE name = 'a'"),
            ]
            return rules.enumerated().map { CheckSpec(name: "\($1.kind) \($0)", severity: severity, rule: $1) }
        }
        let sql = """
            SELECT * FROM (VALUES (1, 'a', DATE '2022-01-01'), (1, 'a', DATE '2022-02-01'), (2, NULL, NULL), (3, 'it''s', NULL)) t(id, name, at)
            """.replacing(" at)", with: " \"at\")")
        let run = try await bench.run(try bench.select(sql, into: "gold.t", inputs: ["silver.known"], checks: checks(.warn)))
        #expect(run.finished.error == nil)
        #expect(run.finished.checks.map(\.passed) == [false, false, true, false, false, false, false, false, false])
        #expect(run.finished.checks.map(\.failingRows) == [1, 2, 0, 2, 1, nil, 1, nil, 2])
        #expect(run.finished.checks[0].message == "1 of 4 rows are null")
        #expect(run.finished.checks[5].message == "4 rows, allowed are 5 to any number")
        #expect(run.finished.output != nil)

        let failed = try await bench.run(try bench.select(sql, into: "gold.u", inputs: ["silver.known"], checks: checks(.fail)))
        #expect(failed.finished.outcome == .failed)
        #expect(failed.finished.error?.code == "check_failed")
        #expect(failed.finished.error?.message.contains("not_null 0: 1 of 4 rows are null") == true)
        #expect(failed.finished.output == nil)
        #expect(failed.finished.checks.count == 9)
        #expect(failed.finished.metrics.rowsWritten == 4)
        #expect(failed.report.all.events.map(\.eventType) == [.start, .fail])
        let left = try FileManager.default.subpathsOfDirectory(
            atPath: bench.lake.root.path(percentEncoded: false) + "/dev/gold/u")
        #expect(left == [".staging"])
    }

    @Test func `a check of a column that is not there names both`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(
            try bench.select("SELECT 1 AS a", into: "gold.t", checks: [CheckSpec(name: "nn", rule: .notNull(column: "b"))]))
        #expect(run.finished.error?.code == "schema_mismatch")
        #expect(run.finished.error?.message == "check nn looks at 'b', which gold.t does not have")
    }

    @Test func `statistics tell extremes of numbers and dates and nothing of texts but lengths`() async throws {
        let bench = try EngineBench()
        let task = try bench.select(
            """
            SELECT * FROM (VALUES (1, 1.25, 'abc', DATE '2024-01-01', TIMESTAMPTZ '2024-01-01 00:00:00.5Z', 'nan'::DOUBLE, 7, [1]),
              (3, 2.50, NULL, DATE '2024-02-01', NULL, 1.5, 8, NULL)) t(i, d, s, day, ts, f, secret, l)
            """, into: "gold.t", columns: [ColumnSpec(name: "secret", tags: ["sensitive"])])
        let run = try await bench.run(task)
        let statistics = try #require(run.finished.output?.statistics)
        let by = Dictionary(uniqueKeysWithValues: statistics.map { ($0.column, $0) })
        #expect(by["i"] == ColumnStatistics(column: "i", count: 2, nulls: 0, distinct: 2, minimum: 1, maximum: 3))
        #expect(by["d"] == ColumnStatistics(column: "d", count: 2, nulls: 0, distinct: 2, minimum: 1.25, maximum: 2.5))
        #expect(
            by["s"]
                == ColumnStatistics(
                    column: "s", count: 2, nulls: 1, distinct: 1, minimumLength: 3, maximumLength: 3, averageLength: 3))
        #expect(by["day"]?.minimum == "2024-01-01")
        #expect(by["ts"]?.maximum == "2024-01-01T00:00:00.500Z")
        #expect(by["f"]?.maximum == nil)
        #expect(by["secret"] == ColumnStatistics(column: "secret", count: 2, nulls: 0, distinct: 2))
        #expect(by["l"] == ColumnStatistics(column: "l", count: 2, nulls: 1))
        #expect(run.finished.output?.schema.last?.type == "INTEGER[]")
        #expect(run.finished.output?.schema.first { $0.name == "secret" }?.tags == ["sensitive"])
    }
}
