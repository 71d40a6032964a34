import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeBundle

/// What must hold between the parts of a manifest: one change of the sample, the first words of what is said.
struct ManifestRulesTests {
    @Test(arguments: [
        ("flows:", "external: [silver.other]\nflows:", "flowforge.yaml:6:12: silver.other is no task's input"),
        ("flows:", "external: [bronze.orders]\nflows:", "flowforge.yaml:6:12: bronze.orders is written by this bundle"),
        ("flows:", "include: [lib/]\nflows:", "flowforge.yaml:6:11: 'lib/' includes no file of the bundle"),
        ("flows:", "include: [\"# x\"]\nflows:", "flowforge.yaml:6:11: '# x' is no pattern"),
        ("raw_dir: {type: path}", "raw_dir: {type: path}\n  year: {type: date}", "flowforge.yaml:6:3: 'year' is both"),
        ("year: {", "run_time: {type: date}\n  year: {", "flowforge.yaml:3:3: 'run_time' is a variable of FlowForge itself"),
        ("inputs: [bronze.orders]", "inputs: [silver.orders]", "flowforge.yaml:20:17: task 'orders' reads its own output"),
        (
            "inputs: [bronze.orders]", "inputs: [bronze.oders]",
            "flowforge.yaml:20:18: no task of this bundle writes bronze.oders (did you mean 'bronze.orders'?)"
        ),
        ("load: append", "inputs: [silver.orders]", "task 'ingest' has 'source' and 'inputs'"),
        ("load: append", "keys: [id]", "'keys' mean nothing to 'load: replace'"),
        ("load: append", "load: scd2", "'load: scd2' needs 'keys'"),
        ("load: append", "load: partition-overwrite", "'load: partition-overwrite' needs 'partition_by'"),
        ("keys: [id]", "keys: [id]\n        partition_by: [id]", "'load: merge' cannot have 'partition_by'"),
        ("load: append", "load: merge\n        keys: [nr]", "the source has no column 'nr'"),
        ("load: append", "checks: [{not_null: idd}]", "the source has no column 'idd' (did you mean 'id'?)"),
        ("amount: \"DECIMAL(18, 2)\"", "ID: VARCHAR", "the columns 'id' and 'ID' differ only in upper and lower case"),
        ("format: csv", "format: csv\n          quote: \",\"", "has the same 'delimiter' and 'quote'"),
        ("layer: silver", "layer: gold", "task 'orders' is of layer gold, but writes silver.orders"),
        (
            "output: silver.orders", "output: bronze.orders",
            "bronze.orders is also written by task 'ingest' of flow 'daily' (line 15)"
        ),
        ("sql/orders.sql", "sql/order.sql", "the bundle has no file 'sql/order.sql' (did you mean 'sql/orders.sql'?)"),
        ("sql/orders.sql", "sql/../sql/orders.sql", "leads out of the bundle with '..'"),
        (
            "- not_null: id", "- not_null: id\n          - not_null: {column: id, severity: warn}",
            "two checks of task 'orders' are named 'not_null(id)'"
        ),
        (
            "- not_null: id", "- relationships: {column: id, to: silver.other, field: id}",
            "the check compares with silver.other, which is no input"
        ),
        ("- not_null: id", "- sql: {name: x, query: \"DELETE FROM this\"}", "the statement starts with 'DELETE'"),
        ("- not_null: id", "- sql: {name: x, query: \"SELECT getvariable('yaer')\"}", "did you mean 'year'?"),
        ("- not_null: id", "- range: {column: id, min: 5, max: 1}", "'min' of 'range' of"),
        ("- not_null: id", "- range: {column: id, min: 5, max: 2013-01-01}", "is not below 'max'"),
        ("- not_null: id", "- row_count: {min: 5, max: 1}", "is above 'max'"),
    ]) func `a manifest that contradicts itself is refused, with place and hint`(old: String, new: String, expected: String) {
        let found = Sample.problems(Sample.manifest(old, new))
        #expect(found.contains { $0.contains(expected) }, "\(found)")
        #expect(found.allSatisfy { $0.hasSuffix(")") }, "no hint in \(found)")
    }

    @Test(arguments: [
        ("[warehouse, api_key]", nil), ("[]", nil), ("[Warehouse]", "'Warehouse' is no name for a credential"),
        ("[a-b]", "'a-b' is no name"), ("[../a]", "is no name"), ("[a, b, a]", "credential 'a' is named twice"), ("a", "list"),
        ("{a: env://A}", "list"), ("[env://A]", "is no name"),
        ("[\((0...100).map { "c\($0)" }.joined(separator: ", "))]", "more than 100 credentials"),
    ]) func `a program names the credentials that it needs`(list: String, expected: String?) throws {
        let text = Sample.manifest("sql: sql/orders.sql", "command: [bin/run]\n        credentials: \(list)")
        let files = [Sample.file("flowforge.yaml", text), Sample.file("bin/run", "#!/bin/sh\n", isExecutable: true)]
        let found = Sample.problems(files)
        #expect(expected.map { word in found.contains { $0.contains(word) } } ?? found.isEmpty, "\(found)")
        guard expected == nil else { return }
        let names = try BundleBuilder.build(files).manifest.flow("daily")?.task("orders")?.credentials
        #expect(names == (list == "[]" ? nil : ["api_key", "warehouse"]))
    }

    @Test(arguments: ["[warehouse]", "[]"]) func `SQL has no credentials`(list: String) {
        let found = Sample.problems(Sample.manifest("sql: sql/orders.sql", "sql: sql/orders.sql\n        credentials: \(list)"))
        #expect(found.contains { $0.contains("has 'credentials' but no 'command'") }, "\(found)")
    }

    @Test func `a table of another bundle is an input when it is declared`() {
        let text = Sample.manifest("flows:", "external: [silver.customers]\nflows:")
            .replacing("inputs: [bronze.orders]", with: "inputs: [bronze.orders, silver.customers]")
        #expect(Sample.problems(text) == [])
    }

    @Test func `a table of another flow is an input`() {
        let other = """
              weekly:
                tasks:
                  totals: {layer: gold, sql: sql/orders.sql, inputs: [silver.orders], output: gold.totals}

            """
        #expect(Sample.problems(Sample.manifest + other) == [])
    }

    @Test(.timeLimit(.minutes(2))) func `a damaged manifest is refused or read, never fatal`() {
        let original = Array(Sample.manifest.utf8)
        for seed in 0..<400 as Range<UInt64> {
            var generator = SeededNumbers(seed: seed)
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes.remove(at: index)
                case 1: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 2:
                    let some = Array("&a *a {}[]:-#|>!%@'\"\n\t ".utf8).randomElement(using: &generator) ?? 0
                    bytes.insert(some, at: index)
                default: bytes.replaceSubrange(index..., with: bytes[index...].shuffled(using: &generator).prefix(40))
                }
            }
            _ = Sample.problems([
                BundleFile(path: "flowforge.yaml", contents: Data(bytes)), Sample.file("sql/orders.sql", Sample.sql),
            ])
        }
    }

    @Test(.timeLimit(.minutes(2))) func `a thousand tasks are checked in reasonable time`() {
        var text = "bundle: {name: wide, version: 1.0.0}\nflows:\n  f:\n    tasks:\n"
        for index in 0..<1000 {
            let inputs = index == 0 ? "" : ", inputs: [bronze.t\(index - 1)]"
            text += "      t\(index): {layer: bronze, sql: sql/orders.sql, output: bronze.t\(index)\(inputs)}\n"
        }
        func problems(_ text: String) -> [String] {
            Sample.problems([Sample.file("flowforge.yaml", text), Sample.file("sql/orders.sql", "SELECT 1 AS x")])
        }
        #expect(problems(text) == [])
        // Far too many, each with an unknown input that asks for a hint.
        let many =
            text
            + (1000..<11_000).map {
                "      t\($0): {layer: bronze, sql: sql/orders.sql, output: bronze.t\($0), inputs: [bronze.u\($0)]}\n"
            }.joined()
        let found = problems(many)
        #expect(found.first?.contains("at most 10000 are allowed") == true, "\(found.prefix(2))")
    }
}
