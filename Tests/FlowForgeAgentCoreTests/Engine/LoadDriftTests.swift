import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Columns that come, go and change their names between the loads of one asset.
@Suite struct LoadDriftTests {
    private func load(_ bench: EngineBench, _ load: LoadSpec, _ queries: String...) async throws -> AgentAPI.Finished {
        var last: AgentAPI.Finished?
        for query in queries {
            let run = try await bench.run(try bench.select(query, into: "silver.t", load: load))
            #expect(run.finished.error == nil, "\(query)")
            last = run.finished
        }
        return try #require(last)
    }

    @Test(arguments: [LoadMode.merge, .scd2])
    func `rows from before a column was added can change later`(mode: LoadMode) async throws {
        let bench = try EngineBench()
        let last = try await load(
            bench, LoadSpec(mode: mode, keys: ["k"]), "SELECT 1 AS k, 'a' AS v", "SELECT 2 AS k, 'b' AS v, true AS w",
            "SELECT 1 AS k, 'c' AS v, false AS w")
        #expect(last.metrics.rowsWritten == 1)
        let current = mode == .scd2 ? "WHERE _is_current" : ""
        #expect(
            try await bench.read("silver.t", "SELECT k, v, w FROM t \(current) ORDER BY k") == [
                #"{"k":1,"v":"c","w":false}"#, #"{"k":2,"v":"b","w":true}"#,
            ])
    }

    @Test func `a column that no file has any more is null`() async throws {
        let bench = try EngineBench()
        _ = try await load(
            bench, LoadSpec(mode: .partitionOverwrite, partitionBy: ["p"]), "SELECT 1 AS p, 'a' AS v, 7 AS w",
            "SELECT 1 AS p, 'b' AS v")
        let copy = try await bench.run(try bench.select("SELECT p, v, w FROM silver.t", into: "gold.t", inputs: ["silver.t"]))
        #expect(copy.finished.error == nil)
        #expect(try await bench.read("gold.t") == [#"{"p":1,"v":"b","w":null}"#])
    }

    @Test(arguments: [LoadMode.append, .merge, .scd2])
    func `a name in another case is the same column`(mode: LoadMode) async throws {
        let bench = try EngineBench()
        let spec = LoadSpec(mode: mode, keys: mode == .append ? [] : ["k"])
        let last = try await load(bench, spec, "SELECT 1 AS k, 10 AS amount", "SELECT 1 AS K, 10 AS Amount")
        #expect(last.output?.schema.prefix(2).map(\.name) == ["k", "amount"])
        #expect(last.output?.rows == (mode == .append ? 2 : 1))
        let copy = try await bench.run(
            try bench.select("SELECT DISTINCT amount FROM silver.t", into: "gold.t", inputs: ["silver.t"]))
        #expect(copy.finished.error == nil)
        #expect(try await bench.read("gold.t") == [#"{"amount":10}"#])
        let other = try await bench.run(try bench.select("SELECT 1 AS k, 'x' AS AMOUNT", into: "silver.t", load: spec))
        #expect(other.finished.error?.code == "schema_changed")
    }

    @Test func `a column named filename survives a second merge`() async throws {
        let bench = try EngineBench()
        _ = try await load(
            bench, LoadSpec(mode: .merge, keys: ["k"]), "SELECT 1 AS k, 'a' AS filename", "SELECT 1 AS k, 'b' AS filename")
        #expect(try await bench.read("silver.t") == [#"{"k":1,"filename":"b"}"#])
    }

    @Test func `a run that was created earlier and ends later overlaps nothing`() async throws {
        let bench = try EngineBench()
        let spec = LoadSpec(mode: .scd2, keys: ["k"])
        for (value, day) in [("a", 0.0), ("b", 5), ("c", 3)] {
            let task = try bench.select("SELECT 1 AS k, '\(value)' AS v", into: "silver.t", load: spec)
            let run = try await bench.run(task, runTime: Date(timeIntervalSince1970: day))
            #expect(run.finished.error == nil)
        }
        #expect(
            try await bench.read(
                "silver.t",
                "SELECT v, epoch(_valid_from)::BIGINT AS f, epoch(_valid_to)::BIGINT AS t FROM t ORDER BY v"
            ) == [#"{"v":"a","f":0,"t":5}"#, #"{"v":"b","f":5,"t":5}"#, #"{"v":"c","f":5,"t":null}"#])
    }

    @Test func `a sensitive column is found whatever its case, and must be there`() async throws {
        let bench = try EngineBench()
        let columns = [ColumnSpec(name: "Born", tags: ["sensitive"])]
        let run = try await bench.run(
            try bench.select("SELECT DATE '1970-01-02' AS born, 5 AS n", into: "silver.t", columns: columns))
        let statistics = try #require(run.finished.output?.statistics)
        #expect(statistics.map(\.minimum) == [nil, .integer(5)])
        let typo = try await bench.run(try bench.select("SELECT 1 AS birth", into: "silver.u", columns: columns))
        #expect(typo.finished.error?.code == "schema_mismatch")
        #expect(typo.finished.error?.message.contains("'Born'") == true)
    }

    @Test func `types that Parquet lacks come back as they were said to`() async throws {
        let bench = try EngineBench()
        let query = """
            SELECT [sum(i)] AS sums, {'s': sum(i), 'HUGEINT': 1} AS pair, MAP {'k': sum(i)} AS named, [TIMESTAMP_MS '2024-01-01'] AS times,
            ['a'::ENUM('a', 'it''s)')] AS words, array_value(1, 2) AS fixed, '101'::BIT AS bits
            FROM range(9007199254740993, 9007199254740994) t(i)
            """
        let last = try await load(bench, LoadSpec(mode: .append), query, query)
        #expect(
            last.output?.schema.map(\.type) == [
                "DECIMAL(38,0)[]", "STRUCT(s DECIMAL(38,0), HUGEINT INTEGER)", "MAP(VARCHAR, DECIMAL(38,0))", "TIMESTAMP[]",
                "VARCHAR[]", "INTEGER[]", "VARCHAR",
            ])
        #expect(
            try await bench.read("silver.t", "SELECT DISTINCT sums[1]::VARCHAR AS s FROM t") == [#"{"s":"9007199254740993"}"#])
    }
}
