import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Subprocess
import SystemPackage
import Testing

@testable import FlowForgeAgentCore

/// A lock says before what a run says afterwards: columns, types and lineage.
@Suite struct LockComparisonTests {
    private struct Engine: SchemaEngine {
        let program: URL
        let folder: URL

        func run(_ script: String) async throws -> (rows: Data, errors: String) {
            let ended = try await Subprocess.run(
                .path(FilePath(program.path)), arguments: ["-jsonlines", "-batch", "-no-init"], input: .string(script),
                output: .data(limit: 64 << 20), error: .string(limit: 1 << 20))
            return (ended.standardOutput, ended.standardError)
        }
    }

    /// Everything that DuckDB stores as something else, or names in its own way.
    private static let odd = """
        SELECT 1::HUGEINT AS h, 1::UHUGEINT AS uh, NULL AS n, 'a'::ENUM('a', 'b') AS e, TIMESTAMP_S '2024-01-01 00:00:00' AS ts,
            TIMESTAMP_MS '2024-01-01 00:00:00' AS tms, TIMESTAMP_NS '2024-01-01 00:00:00' AS tns, '101'::BIT AS b,
            uuid() AS u, INTERVAL 1 DAY AS i, '{}'::JSON AS j, [1, 2]::INTEGER[2] AS a, MAP {'k': 1} AS m,
            {'x': 1::HUGEINT, 'when': TIMESTAMP_S '2024-01-01 00:00:00'} AS s, TIMETZ '10:00:00+01' AS tz, 'x'::BLOB AS bl,
            1 AS dup, 2 AS dup, 1.5 AS d, 1::UTINYINT AS ut, getvariable('day') AS day, getvariable('none') AS none, t.*,
            count(*) OVER (PARTITION BY t.b0 ORDER BY t.i32) AS win
        FROM bronze.t AS t WHERE t.b0 OR t.v IS NULL
        """

    @Test func `what a lock says is what runs make`() async throws {
        let bench = try EngineBench()
        let types = SourceColumn.types + ["DECIMAL(9,3)"]
        let source = types.enumerated().map { "t\($0): \"\($1)\"" }.joined(separator: ", ")
        let header = types.indices.map { "t\($0)" }.joined(separator: ",")
        try bench.write("\(header)\n\(String(repeating: ",", count: types.count - 1))\n", to: "t.csv", in: bench.raw)
        let sql = Self.odd.replacing("t.b0", with: "t.t1").replacing("t.i32", with: "t.t4").replacing("t.v ", with: "t.t0 ")
        let manifest = """
            bundle: {name: test, version: 1.0.0}
            parameters: {day: {type: date, default: 2024-01-31}, none: {type: timestamp}}
            variables: {raw_dir: {type: path}}
            flows:
              main:
                tasks:
                  t:
                    layer: bronze
                    source: {format: csv, path: "${variables.raw_dir}/t.csv", columns: {\(source)}}
                    output: bronze.t
                    load: append
                  odd: {layer: silver, sql: sql/odd.sql, inputs: [bronze.t], output: silver.odd}
                  kept: {layer: silver, sql: sql/kept.sql, inputs: [bronze.t], output: silver.kept, load: scd2, keys: [k]}
                  parts: {layer: gold, sql: sql/parts.sql, inputs: [silver.odd, silver.kept], output: gold.parts, partition_by: [d]}
            """
        try bench.write(manifest, to: "flowforge.yaml")
        try bench.write(sql, to: "sql/odd.sql")
        try bench.write("SELECT 1 AS k, t2 + 1 AS v FROM bronze.t", to: "sql/kept.sql")
        try bench.write(
            "SELECT o.d, sum(o.h) AS h, any_value(o.s) AS s, max(k._valid_from) AS f FROM silver.odd o, silver.kept k GROUP BY 1",
            to: "sql/parts.sql")

        let host = try EngineBench.host()
        let writer = try LockWriter(BundleFolder(bench.bundle))
        let lock = try await writer.draft(asking: Engine(program: host.duckdb, folder: bench.folder)).lock
        let flow = try #require(writer.manifest.flow("main"))
        for name in ["t", "odd", "kept", "parts"] {
            let task = try #require(flow.task(name))
            let asset = try #require(task.output)
            let run = try await bench.run(
                task, parameters: ["none": "2024-01-31T00:00:00Z"], specs: writer.manifest.parameters)
            let output = try #require(run.finished.output, "\(String(describing: run.finished.error))")
            let locked = try #require(lock.asset(asset))
            #expect(locked.columns.map { "\($0.name) \($0.type)" } == output.schema.map { "\($0.name) \($0.type)" })
            // The facet of the event that the control plane reads edges from.
            let event = try #require(run.report.all.events.last)
            let facet = try #require(event.outputs.first?.facets["columnLineage"])
            #expect(Set(locked.lineage.map { Self.said($0) }) == Self.said(facet), "\(asset)")
        }
    }

    private static func said(_ step: LockedLineage) -> String {
        "\(step.column)<\(step.from).\(step.fromColumn) \(step.type.rawValue) \(step.subtype.rawValue)"
    }

    private static func said(_ facet: JSONValue) -> Set<String> {
        var found: Set<String> = []
        func add(_ inputs: JSONValue?, to column: String) {
            for input in inputs?.array ?? [] {
                for step in input["transformations"]?.array ?? [] {
                    found.insert(
                        "\(column)<\(input["name"]?.string ?? "").\(input["field"]?.string ?? "") "
                            + "\(step["type"]?.string ?? "") \(step["subtype"]?.string ?? "")")
                }
            }
        }
        for (column, field) in facet["fields"]?.object ?? [:] { add(field["inputFields"], to: column) }
        add(facet["dataset"], to: "")
        return found
    }
}
