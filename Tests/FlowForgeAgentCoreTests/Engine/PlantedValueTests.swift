import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

/// Rows never leave the agent: no report of a task holds a value that was planted in its data.
@Suite struct PlantedValueTests {
    private let planted = ["PLANTEDalpha", "PLANTEDbeta", "it's PLANTEDgamma", "47110815", "PLANTEDdelta"]

    private func expectNothingLeaks(_ run: EngineBench.Run, sourceLocation: SourceLocation = #_sourceLocation) throws {
        var told = String(decoding: try WireCoding.encode(run.finished), as: UTF8.self) + run.report.log
        for event in run.report.all.events { told += String(decoding: try WireCoding.encode(event), as: UTF8.self) }
        for word in planted.flatMap({ $0.split(separator: " ") }) where word.contains("PLANTED") || word.allSatisfy(\.isNumber) {
            #expect(!told.contains(word), "\(word) in \(told)", sourceLocation: sourceLocation)
        }
    }

    @Test func `a whole run over planted data tells none of it`() async throws {
        let bench = try EngineBench()
        let rows = planted.enumerated().map { "\($0),\"\($1)\",47110815" } + ["x,PLANTEDdelta,1", "1,PLANTEDbeta,1,PLANTEDalpha"]
        try bench.write("id,text,n\n" + rows.joined(separator: "\n") + "\n", to: "x.csv", in: bench.raw)
        let columns = [
            SourceColumn(name: "id", type: "INTEGER"), SourceColumn(name: "text", type: "VARCHAR"),
            SourceColumn(name: "n", type: "INTEGER"),
        ]
        var ingest = try bench.ingest(
            "x.csv", into: "bronze.x", columns: columns,
            checks: [CheckSpec(name: "known", severity: .warn, rule: .acceptedValues(column: "text", values: ["fine"]))])
        ingest.columns = [ColumnSpec(name: "n", tags: ["sensitive"])]
        let first = try await bench.run(ingest)
        #expect(first.finished.error == nil)
        #expect(first.finished.metrics.rowsQuarantined == 2)
        try expectNothingLeaks(first)
        for sql in [
            "SELECT text::INTEGER AS a FROM bronze.x", "SELECT text::DATE AS a FROM bronze.x",
            "SELECT error('no: ' || text) AS a FROM bronze.x",
            "SELECT (n * 1000000)::TINYINT AS a FROM bronze.x", "SELECT n::TINYINT AS a FROM bronze.x",
            "SELECT json(text) AS a FROM bronze.x",
            "SELECT strptime(text, '%Y') AS a FROM bronze.x", "SELECT text::DECIMAL(4,1) AS a FROM bronze.x",
            "SELECT regexp_matches('a', text || '(') AS a FROM bronze.x",
            "SELECT text::INTERVAL AS a FROM bronze.x", "SELECT text::STRUCT(a INT) AS a FROM bronze.x",
            "SELECT text::ENUM('a','b') AS a FROM bronze.x",
            "SELECT make_date(n, n, n) AS a FROM bronze.x", "SELECT text::UUID AS a FROM bronze.x",
            "SELECT json_extract(text, text) AS a FROM bronze.x",
            "SELECT format(text || '{}{', n) AS a FROM bronze.x", "SELECT date_part(text, now()) AS a FROM bronze.x",
            "SELECT * FROM (VALUES (1)) WHERE (SELECT n::TINYINT FROM bronze.x LIMIT 1) = 1",
        ] {
            let run = try await bench.run(try bench.select(sql, into: "silver.y", inputs: ["bronze.x"]))
            #expect(run.finished.outcome == .failed, "\(sql)")
            try expectNothingLeaks(run)
        }
    }

    @Test func `the author's own words survive in an error`() async throws {
        let bench = try EngineBench()
        let run = try await bench.run(try bench.select("SELECT 'tomato'::INTEGER AS a", into: "silver.y"))
        #expect(
            run.finished.error?.message.contains("Could not convert string 'tomato' to INT32") == true,
            "\(String(describing: run.finished.error))")
    }
}
