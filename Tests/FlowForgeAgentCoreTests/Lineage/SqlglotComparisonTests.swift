import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Our column lineage against that of sqlglot, an independent implementation, on real queries: for
/// each output column the set of input columns that its expression mentions. No difference is known;
/// one that is justified would be listed here, with its reason.
@Suite struct SqlglotComparisonTests {
    @Test func `every SQL file of the example has the lineage that sqlglot finds`() async throws {
        let folder = EngineBench.root.appending(path: "Examples/nyc-flights")
        let manifest = try BundleBuilder.validate(BundleFolder(folder))
        let tasks = manifest.flows.flatMap(\.tasks)
        var statements: [String] = Layer.allCases.filter { $0 != .unknown }.map { "CREATE SCHEMA \($0.rawValue)" }
        for variable in manifest.parameters + manifest.variables {
            statements.append("SET VARIABLE \(variable.name) = \(variable.defaultValue?.integer.map(String.init) ?? "'x'")")
        }
        statements.append("SET VARIABLE run_time = now()")
        for task in tasks {
            guard let source = task.source, let output = task.output else { continue }
            let columns = source.columns.map { "\"\($0.name)\" \($0.type)" }
            let audit = ["_ingested_at TIMESTAMPTZ", "_source_file VARCHAR", "_row_number BIGINT", "_run_id VARCHAR"]
            statements.append("CREATE TABLE \(output) (\((columns + audit).joined(separator: ", ")))")
        }
        var queries: [String: String] = [:]
        var waiting = tasks.filter { $0.sql != nil }
        var made = Set(tasks.filter { $0.source != nil }.compactMap(\.output))
        while !waiting.isEmpty {
            let ready = waiting.filter { $0.inputs.allSatisfy(made.contains) }
            try #require(!ready.isEmpty)
            for task in ready {
                let output = try #require(task.output)
                var sql = try String(contentsOf: folder.appending(path: try #require(task.sql)), encoding: .utf8)
                sql = sql.trimmingCharacters(in: .whitespacesAndNewlines)
                if sql.hasSuffix(";") { sql.removeLast() }
                queries[try #require(task.sql)] = sql
                statements.append("CREATE TABLE \(output) AS \(sql)\n")
                if task.load.mode == .scd2 {
                    for column in ["_valid_from TIMESTAMPTZ", "_valid_to TIMESTAMPTZ", "_is_current BOOLEAN"] {
                        statements.append("ALTER TABLE \(output) ADD COLUMN \(column)")
                    }
                }
                made.insert(output)
            }
            waiting.removeAll { task in ready.contains { $0.name == task.name } }
        }
        try await compare(queries, after: statements, least: 60)
    }

    @Test func `the 22 queries of TPC-H have the lineage that sqlglot finds`() async throws {
        let extensions = EngineBench.root.appending(path: ".tools/extensions").path(percentEncoded: false)
        try #require(FileManager.default.fileExists(atPath: extensions), "\(extensions) is missing: run `make tools`")
        let setUp = [
            "SET extension_directory = '\(extensions)'", "LOAD tpch", "CREATE SCHEMA bronze", "USE bronze", "CALL dbgen(sf = 0)",
        ]
        struct Query: Decodable {
            var query_nr: Int
            var query: String
        }
        let rows = try await EngineBench.duckdb(
            (setUp.prefix(2) + ["SELECT query_nr, query FROM tpch_queries()"]).joined(separator: ";\n"))
        let queries = try rows.map { try JSONDecoder().decode(Query.self, from: Data($0.utf8)) }
        #expect(queries.count == 22)
        try await compare(
            Dictionary(
                uniqueKeysWithValues: queries.map {
                    (String(format: "Q%02d", $0.query_nr), $0.query.trimmingCharacters(in: CharacterSet(charactersIn: "; \n")))
                }),
            after: setUp, least: 60)
    }

    // MARK: the comparison

    private struct Column: Decodable {
        var table_schema: String
        var table_name: String
        var column_name: String
        var data_type: String
    }

    private func compare(_ queries: [String: String], after setUp: [String], least: Int) async throws {
        let prefix = setUp.map { $0 + ";\n" }.joined()
        let columns = try await EngineBench.duckdb(
            prefix
                + "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position"
        )
        .filter { $0.hasPrefix("{\"table_schema\"") }.map { try JSONDecoder().decode(Column.self, from: Data($0.utf8)) }
        let tables = Dictionary(grouping: columns) { "\($0.table_schema).\($0.table_name)" }
        let isQualified = queries.values.contains { $0.contains("bronze.") || $0.contains("silver.") }
        let inputs = try tables.map { name, columns in
            (asset: try #require(AssetName(name)), schema: columns.map { ColumnSchema(name: $0.column_name, type: $0.data_type) })
        }
        let theirs = try await sqlglot(queries, tables: tables, isQualified: isQualified)
        let resolver = ColumnLineageResolver(inputs: inputs)
        var unexpected: [String] = []
        var named = 0
        for (name, sql) in queries.sorted(by: { $0.key < $1.key }) {
            guard case .array(let expected)? = theirs[name] else {
                unexpected.append("\(name): sqlglot says \(theirs[name] ?? .null)")
                continue
            }
            let ours = resolver.lineage(of: try await tree(of: sql), output: try await outputColumns(of: sql, after: prefix))
            #expect(ours.columns.count == expected.count, "\(name)")
            for (column, other) in zip(ours.columns, expected) {
                let mine = Set(
                    column.influences.compactMap { influence -> String? in
                        guard case .asset(let asset) = influence.origin else { return nil }
                        return "\(isQualified ? asset.description : asset.table).\(influence.column.lowercased())"
                    })
                let they = Set(
                    (other.array?.last?.array ?? []).compactMap { pair in
                        pair.array.map { $0.compactMap(\.string).joined(separator: ".") }
                    })
                named += mine.count
                guard mine != they else { continue }
                unexpected.append(
                    "\(name) \(column.name): only we \(mine.subtracting(they).sorted()), only sqlglot \(they.subtracting(mine).sorted())"
                )
            }
        }
        #expect(named >= least, "only \(named) column pairs were compared")
        #expect(unexpected.isEmpty, "\(unexpected.joined(separator: "\n"))")
    }

    private func tree(of sql: String) async throws -> JSONValue {
        let line = try #require(
            try await EngineBench.duckdb(
                "SELECT json_serialize_sql(\(SQLText.literal(sql)), skip_default := true, skip_null := true, skip_empty := true) AS j"
            ).first)
        let decoded = try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))
        return try #require(decoded["j"]?["statements"]?.array?.first)
    }

    private func outputColumns(of sql: String, after prefix: String) async throws -> [String] {
        struct Described: Decodable { var column_name: String }
        return try await EngineBench.duckdb(prefix + "DESCRIBE \(sql)").filter { $0.hasPrefix("{\"column_name\"") }
            .map { try JSONDecoder().decode(Described.self, from: Data($0.utf8)).column_name }
    }

    private func sqlglot(
        _ queries: [String: String], tables: [String: [Column]], isQualified: Bool
    ) async throws -> [String: JSONValue] {
        var schema: [String: JSONValue] = [:]
        for (name, columns) in tables {
            let parts = name.split(separator: ".").map(String.init)
            let types = JSONValue.object(
                Dictionary(uniqueKeysWithValues: columns.map { ($0.column_name, .string($0.data_type)) }))
            if isQualified {
                var layer = schema[parts[0]]?.object ?? [:]
                layer[parts[1]] = types
                schema[parts[0]] = .object(layer)
            } else {
                schema[parts[1]] = types
            }
        }
        let asked: JSONValue = ["schema": .object(schema), "queries": .object(queries.mapValues { .string($0) })]
        let folder = FileManager.default.temporaryDirectory.appending(path: "sqlglot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appending(path: "asked.json")
        try JSONEncoder().encode(asked).write(to: input)
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "sqlglot_lineage.py")
        let bytes = try await EngineBench.output(
            of: EngineBench.tool(".tools/python/bin/python"), [script.path(percentEncoded: false)],
            input: FileHandle(forReadingFrom: input))
        return try JSONDecoder().decode([String: JSONValue].self, from: bytes)
    }
}
