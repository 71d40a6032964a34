import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@Suite struct SelectTaskTests {
    @Test func `a select over nothing is written, published and readable`() async throws {
        let bench = try EngineBench()
        let task = try bench.select("SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, 'b';", into: "gold.numbers")
        let run = try await bench.run(task)
        #expect(run.finished.error == nil)
        #expect(run.finished.outcome == .succeeded)
        #expect(run.finished.metrics.rowsWritten == 2)
        #expect(run.finished.metrics.cpuSeconds > 0)
        #expect(run.finished.metrics.peakMemoryBytes > 1 << 20)
        #expect(run.finished.output?.rows == 2)
        #expect(
            run.finished.output?.schema == [
                ColumnSchema(name: "id", type: "INTEGER"), ColumnSchema(name: "name", type: "VARCHAR"),
            ])
        #expect(try await bench.read("gold.numbers") == [#"{"id":1,"name":"a"}"#, #"{"id":2,"name":"b"}"#])
        #expect(run.report.all.pids.count == 1)
        #expect(run.report.all.events.map(\.eventType) == [.start, .complete])
        #expect(run.report.all.progress.map(\.step) == [1, 2, 3, 4])
    }

    @Test func `inputs are views and parameters are variables`() async throws {
        let bench = try EngineBench()
        try await bench.run(try bench.select("SELECT range AS i FROM range(10)", into: "silver.numbers"))
        let task = try bench.select(
            "SELECT i, getvariable('day') AS day FROM silver.numbers WHERE i >= getvariable('least')", into: "gold.some",
            inputs: ["silver.numbers"])
        let run = try await bench.run(
            task, parameters: ["least": 8, "day": "2024-02-29"],
            specs: [ParameterSpec(name: "least", type: .integer), ParameterSpec(name: "day", type: .date)])
        #expect(run.finished.error == nil)
        #expect(run.finished.metrics.rowsRead == 10)
        #expect(try await bench.read("gold.some") == [#"{"i":8,"day":"2024-02-29"}"#, #"{"i":9,"day":"2024-02-29"}"#])
    }

    @Test func `an input that was never published is named`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(try bench.select("SELECT * FROM silver.gone", into: "gold.x", inputs: ["silver.gone"]))
        #expect(run.finished.error?.code == "input_missing")
        #expect(run.finished.error?.message.contains("silver.gone") == true)
        #expect(run.report.all.events.map(\.eventType) == [.start, .fail])
    }

    @Test(arguments: [
        ("DROP TABLE x", "sql_not_select"), ("SELECT 1; SELECT 2", "sql_not_select"), ("-- nothing", "sql_not_select"),
        ("SELEC 1", "sql_error"), ("DESCRIBE SELECT 1", "sql_not_select"), ("SELECT nope FROM range(1)", "sql_error"),
        ("SELECT * FROM read_text('/etc/passwd')", "sql_forbidden"), ("SELECT * FROM glob('/*')", "sql_forbidden"),
        (".shell touch /tmp/escaped\nSELECT 1", "sql_error"), ("SELECT getenv('HOME')", "sql_forbidden"),
        ("SELECT $$;\n.shell id\n$$ FROM nowhere", "sql_error"),
    ])
    func `what is not one harmless SELECT is refused`(sql: String, code: String) async throws {
        let bench = try EngineBench()
        let run = try await bench.run(try bench.select(sql, into: "gold.x"))
        #expect(run.finished.error?.code == code, "\(String(describing: run.finished.error))")
        #expect(!FileManager.default.fileExists(atPath: "/tmp/escaped"))
    }

    @Test func `a binder error says file and line`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(try bench.select("SELECT 1 AS a,\n  b\nFROM range(1)", into: "gold.x"))
        let message = try #require(run.finished.error?.message)
        #expect(message.hasPrefix("sql/x.sql, line 2: Binder Error: Referenced column \"b\" not found"), "\(message)")
    }
}
