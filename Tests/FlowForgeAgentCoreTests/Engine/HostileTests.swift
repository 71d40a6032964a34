import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Logging
import Testing

@Suite struct HostileTests {
    @Test func `names may hold quotes, newlines and SQL`() async throws {
        let bench = try EngineBench()
        let strange = ["a\"b", "it's", "x; DROP TABLE y --", "größe"]
        try bench.write("\"a\"\"b\",it's,x; DROP TABLE y --,größe\n1,2,3,4\nbad,5,6,7\n", to: "o'k [1].csv", in: bench.raw)
        let ingest = try bench.ingest(
            "*.csv", into: "bronze.x", columns: strange.map { SourceColumn(name: $0, type: "INTEGER") },
            checks: strange.map { CheckSpec(name: $0, rule: .notNull(column: $0)) })
        let run = try await bench.run(ingest)
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsQuarantined == 1)
        #expect(run.finished.output?.schema.map(\.name).prefix(4) == strange[...])
        let copy = try await bench.run(try bench.select("SELECT * FROM bronze.x", into: "silver.x", inputs: ["bronze.x"]))
        #expect(copy.finished.error == nil)
        #expect(try await bench.read("silver.x", "SELECT _source_file AS f FROM t") == [#"{"f":"o'k [1].csv"}"#])
    }

    @Test func `too little memory is said as such`() async throws {
        let bench = try EngineBench()
        let task = try bench.select(
            "SELECT list(range) AS l FROM range(100000000)", into: "gold.t",
            resources: ResourceSpec(memoryBytes: 80 << 20, threads: 1))
        let run = try await bench.run(task)
        #expect(run.finished.error?.code == "out_of_memory")
        #expect(run.finished.error?.hint?.contains("resources.memory") == true)
        #expect(run.finished.metrics.peakMemoryBytes > 0)
    }

    @Test func `an expression nested too deeply for its lineage still runs`() async throws {
        let bench = try EngineBench()
        let sum = Array(repeating: "1", count: 600).joined(separator: " + ")
        let run = try await bench.run(try bench.select("SELECT \(sum) AS n", into: "gold.t"))
        #expect(run.finished.error == nil)
        #expect(try await bench.read("gold.t") == [#"{"n":600}"#])
        #expect(run.report.all.events.last?.outputs.first?.facets["columnLineage"] == nil)
    }

    @Test func `SQL that is no text is refused`() async throws {
        let bench = try EngineBench()
        var task = try bench.select("SELECT 1 AS a", into: "gold.t")
        try bench.write(Data([0x53, 0xFF, 0xFE]), to: "sql/t.sql")
        #expect(try await bench.run(task).finished.error?.code == "sql_invalid")
        task.sql = "sql/none.sql"
        #expect(try await bench.run(task).finished.error?.code == "sql_missing")
        try bench.write("SELECT 1 AS a\0;\n.shell id\n", to: "sql/none.sql")
        #expect(try await bench.run(task).finished.outcome == .failed)
    }

    @Test func `a missing or wrong engine program is named with what to do`() async throws {
        var host = try EngineBench.host()
        let logger = Logger(label: "test")
        #expect(try await DuckDBEngine(host: host, logger: logger).probe() == DuckDBEngine.version)
        host.duckdb = URL(filePath: "/bin/true")
        await #expect(throws: TaskError.self) { try await DuckDBEngine(host: host, logger: logger).probe() }
        host.duckdb = URL(filePath: "/no/duckdb")
        do {
            _ = try await DuckDBEngine(host: host, logger: logger).probe()
            Issue.record("the probe found what is not there")
        } catch {
            #expect(error.message == "the DuckDB program is not at /no/duckdb")
        }
        let bench = try EngineBench()
        let work = try bench.work(try bench.select("SELECT 1 AS a", into: "gold.t"))
        let runner = TaskRunner(engines: [DuckDBEngine(host: host, logger: logger)], logger: logger)
        let finished = await runner.run(work, reporting: Recorder())
        #expect(finished.outcome == .failed)
        #expect(finished.error?.code == "engine_failed")
    }

    @Test func `timestamps, numbers and booleans beyond their range go to the quarantine`() async throws {
        let bench = try EngineBench()
        let types = [
            "TINYINT", "SMALLINT", "BIGINT", "HUGEINT", "REAL", "DOUBLE", "BOOLEAN", "DATE", "TIME", "TIMESTAMPTZ",
            "DECIMAL(4,1)",
        ]
        let good = [
            "-128", "32767", "9223372036854775807", "170141183460469231731687", "1e3", "nan", "t", "2024-02-29", "23:59:59",
            "2024-01-01T00:00:00+05:30", "999.9",
        ]
        let bad = ["128", "x", "9223372036854775808", "1e99", "big", "1,5", "maybe", "2023-02-29", "25:00:00", "never", "10000"]
        for (index, type) in types.enumerated() {
            try bench.write("c;d\n\(good[index]);\n\(bad[index]);\n", to: "\(index).csv", in: bench.raw)
            let run = try await bench.run(
                try bench.ingest(
                    "\(index).csv", into: "bronze.t\(index)", columns: [SourceColumn(name: "c", type: type)], delimiter: ";"))
            #expect(run.finished.error == nil, "\(type)")
            #expect(run.finished.metrics.rowsWritten == 1, "\(type)")
            #expect(run.finished.metrics.rowsQuarantined == 1, "\(type)")
        }
    }
}
