import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct ManifestTests {
    @Test func `a good bundle has no problems and keeps what its manifest says`() throws {
        let manifest = try BundleBuilder.build(Sample.files()).manifest
        let flow = try #require(manifest.flow("daily"))
        #expect(flow.tasks.map(\.name) == ["ingest", "orders"])
        let ingest = try #require(flow.task("ingest"))
        #expect(
            ingest.source?.columns == [
                SourceColumn(name: "id", type: "BIGINT", required: true), SourceColumn(name: "amount", type: "DECIMAL(18,2)"),
            ])
        #expect(ingest.load.mode == .append)
        let orders = try #require(flow.task("orders"))
        #expect(orders.load == LoadSpec(mode: .merge, keys: ["id"]))
        #expect(orders.checks == [CheckSpec(name: "not_null(id)", rule: .notNull(column: "id"))])
        #expect(orders.timeoutSeconds == 3600)
    }

    @Test func `limits come from the task, then from the defaults, then from the program`() throws {
        let text =
            Sample.manifest("flows:", "defaults: {retries: {max: 2, delay: 5s}, timeout: 1h30m, resources: {threads: 4}}\nflows:")
            .replacing("sql: sql/orders.sql", with: "sql: sql/orders.sql\n        timeout: 45s\n        retries: {max: 0}")
        let flow = try #require(try BundleBuilder.build(Sample.files(text)).manifest.flow("daily"))
        let ingest = try #require(flow.task("ingest"))
        let orders = try #require(flow.task("orders"))
        #expect(ingest.retry == RetrySpec(retries: 2, delaySeconds: 5))
        #expect(ingest.timeoutSeconds == 5400)
        #expect(ingest.resources == ResourceSpec(memoryBytes: 1 << 30, threads: 4))
        #expect(orders.retry == RetrySpec(retries: 0, delaySeconds: 5))
        #expect(orders.timeoutSeconds == 45)
    }

    @Test func `a task asks for the pool that it names, else for its flow's`() throws {
        let text = Sample.manifest("    tasks:\n", "    pool: sap\n    tasks:\n")
            .replacing("sql: sql/orders.sql", with: "sql: sql/orders.sql\n        pool: large-memory")
        let flow = try #require(try BundleBuilder.build(Sample.files(text)).manifest.flow("daily"))
        #expect(flow.tasks.map(flow.pool(of:)) == ["sap", "large-memory"])
        #expect(flow.pools == ["sap", "large-memory"])
        let plain = try #require(try BundleBuilder.build(Sample.files()).manifest.flow("daily"))
        #expect(plain.tasks.map(flow.pool(of:)) == ["sap", "sap"] && plain.pools.isEmpty)
        for bad in ["\"\"", "Large", "a b", "[a]", "-a"] {
            let found = Sample.problems(Sample.manifest("    tasks:\n", "    pool: \(bad)\n    tasks:\n"))
            #expect(found.count == 1 && found[0].contains("pool"), "\(bad): \(found)")
        }
    }

    @Test func `every kind of check is read`() throws {
        let checks = """
            checks:
                  - not_null: [id, amount]
                  - not_null: {column: id, severity: warn, name: id-known}
                  - unique: [id, amount]
                  - unique: {columns: id, severity: warn}
                  - accepted_values: {column: id, values: [1, 2.5, x, true]}
                  - range: {column: amount, min: 0.5}
                  - range: {column: day, min: 2013-01-01, max: 2013-12-31}
                  - row_count: {min: 1, max: 10}
                  - relationships: {column: id, to: bronze.orders, field: id, severity: warn}
                  - freshness: {column: at, max_age: 1d}
                  - sql: {name: none-negative, query: "SELECT * FROM this WHERE amount < 0"}
            """
        let text = Sample.manifest("checks:\n          - not_null: id", checks.replacing("\n      ", with: "\n          "))
        let found = Sample.problems(text)
        try #require(found == [])
        let task = try #require(try BundleBuilder.build(Sample.files(text)).manifest.flow("daily")?.task("orders"))
        #expect(
            task.checks.map(\.name) == [
                "not_null(id)", "not_null(amount)", "id-known", "unique(id, amount)", "unique(id)", "accepted_values(id)",
                "range(amount)", "range(day)", "row_count", "relationships(id, bronze.orders)", "freshness(at)", "none-negative",
            ])
        #expect(task.checks[5].rule == .acceptedValues(column: "id", values: [1, 2.5, "x", true]))
        #expect(task.checks[10].rule == .freshness(column: "at", seconds: 86_400))
        #expect(task.checks[9].severity == .warn)
    }

    @Test func `everything that is wrong is said at once, with place and hint`() {
        let text = """
            bundle: {name: sample, version: one}
            flows:
              daily:
                tasks:
                  first:
                    layer: silver
                    sql: sql/none.sql
                    inputs: [silver.second]
                    output: silver.first
                    load: merge
                    retries: {max: -1}
                  second:
                    layer: gold
                    sql: sql/orders.sql
                    inputs: [silver.first, bronze.nothing]
                    ouput: silver.second
                    output: silver.second
                  third:
                    layer: silver
                    sql: /etc/passwd
                    output: silver.first
                    timeout: soon

            """
        #expect(
            Sample.problems(text + "unused: 1\n") == [
                "flowforge.yaml:1:33: 'version' of 'bundle' of the manifest is 'one' (write a semantic version such as 1.0.0 or 1.1.0-rc.1)",
                "flowforge.yaml:7:14: the bundle has no file 'sql/none.sql' (add it)",
                "flowforge.yaml:8:17: tasks wait for each other: first → second → first (remove one of these inputs, or split a task)",
                "flowforge.yaml:10:15: 'load: merge' needs 'keys' (name the columns that identify a row, e.g. keys: [id])",
                "flowforge.yaml:11:24: 'max' of 'retries' of task 'first' is -1 (from 0 to 20 is allowed)",
                "flowforge.yaml:15:32: no task of this bundle writes bronze.nothing (if another bundle writes it, list it under 'external')",
                "flowforge.yaml:16:9: unknown key 'ouput' in task 'second' (did you mean 'output'?)",
                "flowforge.yaml:17:17: task 'second' is of layer gold, but writes silver.second (change 'layer' or 'output')",
                "flowforge.yaml:20:14: the path '/etc/passwd' is absolute (write a path relative to the bundle's folder)",
                "flowforge.yaml:21:17: silver.first is also written by task 'first' of flow 'daily' (line 9) (a table has one writer; give this one another output)",
                "flowforge.yaml:22:18: 'timeout' of task 'third' must be a duration such as 45s, 10m, 1h30m or 1d, not 'soon'",
                "flowforge.yaml:23:1: unknown key 'unused' in the manifest (known keys are bundle, parameters, variables, external, contracts, include, python, defaults, flows)",
                "sql/orders.sql:1:49: getvariable('year') asks for what is no parameter or variable (there are: run_id, run_time, scheduled_for)",
            ])
    }
}
