import Foundation
import Testing

@testable import FlowForgeBundle

/// The published JSON Schema and the parser say the same of the shape of a manifest.
struct SchemaTests {
    /// Changes of the sample by which it stays good.
    static let good: [(String, String)] = [
        ("version: 1.0.0", "version: 0.0.1-rc.1"),
        ("version: 1.0.0", "version: 10.20.30, description: Orders"),
        ("name: sample", "name: orders-of_the-day2"),
        ("{type: integer, default: 2013}", "{type: integer, default: 2013.0, description: A year}"),
        ("{type: integer, default: 2013}", "{type: date, default: 2013-01-31}"),
        ("{type: integer, default: 2013}", "{type: number, default: 1.5e3}"),
        ("{type: integer, default: 2013}", "{type: boolean, default: true}"),
        ("{type: integer, default: 2013}", "{type: string, default: no}"),
        ("{type: path}", "{type: path, default: /srv/raw}"),
        ("flows:", "defaults: {retries: {max: 20, delay: 1h}, timeout: 1m30s, resources: {memory: 512MiB, threads: 8}}\nflows:"),
        ("flows:", "external: [gold.elsewhere]\ninclude: []\nflows:"),
        ("flows:", "contracts: []\nflows:"),
        ("load: append", "load: append\n        engine: duckdb\n        description: Orders"),
        ("format: csv", "format: csv\n          delimiter: \";\"\n          quote: \"'\"\n          nulls: [NA, \"\"]"),
        ("format: csv", "format: json"),
        ("\"DECIMAL(18, 2)\"", "{type: \"DECIMAL(38,0)\"}"),
        ("{type: BIGINT, required: true}", "BIGINT"),
        ("load: merge", "load: scd2"),
        ("keys: [id]", "keys: [id]\n        pool: large-memory"), ("    tasks:\n", "    pool: large\n    tasks:\n"),
        ("load: merge\n        keys: [id]", "load: partition-overwrite\n        partition_by: [day]"),
        ("keys: [id]", "keys: id"),
        ("keys: [id]", "keys: [id]\n        columns: {id: {tags: [sensitive], description: Number}, \"two words\": {}}"),
        ("not_null: id", "not_null: [id, amount]"),
        ("not_null: id", "not_null: {column: id, severity: warn, name: known}"),
        ("not_null: id", "unique: {columns: [id], severity: fail}"),
        ("not_null: id", "accepted_values: {column: id, values: [1, x, 2.5, false]}"),
        ("not_null: id", "range: {column: id, min: 1, max: 2}"),
        ("not_null: id", "range: {column: at, max: \"2013-01-31T10:00:00Z\"}"),
        ("not_null: id", "row_count: {max: 0}"),
        ("not_null: id", "relationships: {column: id, to: bronze.orders, field: id}"),
        ("not_null: id", "freshness: {column: at, max_age: 1d12h}"),
        ("not_null: id", "sql: {name: none, query: SELECT 1 WHERE false}"),
        (
            "tasks:",
            "triggers: {nightly: {schedule: {cron: \"0 6 * * MON-FRI\", timezone: Europe/London, dst: both}}}\n    tasks:"
        ),
        (
            "tasks:",
            "triggers: {t: {schedule: {every: 15m, anchor: \"2026-01-01T00:05:00Z\", start: \"2026-01-01T00:00:00Z\", end: \"2027-01-01T00:00:00+01:00\", jitter: 5m, catch_up: {mode: all, window: 6h, max: 10}}}}\n    tasks:"
        ),
        (
            "tasks:",
            "triggers: {t: {schedule: {cron: \"@daily\", blackouts: [{days: [SAT, SUN], from: \"22:00\", until: \"06:00\"}, {from: 2026-12-20, through: 2027-01-02}, {from: 2026-12-20T18:00, until: 2026-12-21T06:00}]}}}\n    tasks:"
        ),

        ("tasks:", "triggers: {t: {webhook: {}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {webhook: {parameters: [year]}, overlap: skip}}\n    tasks:"),
        (
            "tasks:",
            "triggers: {t: {file: {path: \"${variables.raw_dir}/*.csv\", every: 5s}, parameters: {year: 2014}}}\n    tasks:"
        ),
        ("tasks:", "triggers: {t: {upstream: {bundle: other, flow: daily, on: completion, delay: 5m}}}\n    tasks:"),
        ("tasks:", "triggers: {}\n    tasks:"),
    ]

    /// Changes by which it is not, in its shape.
    static let bad: [(String, String)] = [
        ("bundle: {name: sample, version: 1.0.0}", "bundle: {name: sample}"),
        ("flows:", "python: {}\nflows:"),
        ("flows:", "python: {lock: a, version: newest}\nflows:"),
        ("flows:", "python: {lock: a, version: \">=3.11,\"}\nflows:"),
        ("flows:", "python: {lock: a, packages: []}\nflows:"),
        ("bundle: {name: sample, version: 1.0.0}", "bundle:"),
        ("bundle: {name: sample, version: 1.0.0}", ""),
        ("version: 1.0.0", "version: 1.0"),
        ("version: 1.0.0", "version: 01.0.0"),
        ("version: 1.0.0", "version: 1.0.0+build"),
        ("version: 1.0.0", "version: 1.0.0-"),
        ("version: 1.0.0", "version: 1.0.0, licence: MIT"),
        ("name: sample", "name: Sample"),
        ("name: sample", "name: \"sample'; DROP TABLE run; --\""),
        ("name: sample", "name: 5"),
        ("year:", "\"ye ar\":"),
        ("year:", "\"year'\":"),
        ("{type: integer, default: 2013}", "{type: integer, default: soon}"),
        ("{type: integer, default: 2013}", "{type: integer, default: 1.5}"),
        ("{type: integer, default: 2013}", "{type: boolean, default: 1}"),
        ("{type: integer, default: 2013}", "{type: string, default: 2013}"),
        ("{type: integer, default: 2013}", "{type: path}"),
        ("{type: integer, default: 2013}", "{type: int}"),
        ("{type: integer, default: 2013}", "{default: 2013}"),
        ("{type: integer, default: 2013}", "integer"),
        ("{type: path}", "{type: path, secret: true}"),
        ("flows:", "defaults: {retries: {max: -1}}\nflows:"),
        ("flows:", "defaults: {retries: 3}\nflows:"),
        ("flows:", "defaults: {timeout: 30}\nflows:"),
        ("flows:", "defaults: {timeout: 30m1h}\nflows:"),
        ("flows:", "defaults: {timeout: \"\"}\nflows:"),
        ("flows:", "defaults: {resources: {memory: 512MB}}\nflows:"),
        ("flows:", "defaults: {resources: {threads: 0}}\nflows:"),
        ("flows:", "external: silver.x\nflows:"),
        ("flows:", "external: [platinum.x]\nflows:"),
        ("flows:", "include: [1]\nflows:"),
        ("flows:", "contracts: [1]\nflows:"),
        ("flows:", "contracts: contracts/a.odcs.yaml\nflows:"),
        ("flows:", "flow:"),
        ("daily:", "\"da-ily\":"),
        ("layer: bronze", "layer: platinum"),
        ("layer: bronze", "layer:"),
        ("layer: bronze", "layer: [bronze]"),
        ("layer: bronze", ""),
        ("format: csv", "format: xml"),
        ("format: csv", "format: json\n          delimiter: \",\""),
        ("format: csv", "format: csv\n          delimiter: \"||\""),
        ("format: csv", "format: csv\n          nulls: NA"),
        ("format: csv", "format: csv\n          nulls: [NULL]"),
        ("path: \"${variables.raw_dir}/orders*.csv\"", "path: \"\""),
        ("path: \"${variables.raw_dir}/orders*.csv\"", "glob: x"),
        ("columns: {id: {type: BIGINT, required: true}, amount: \"DECIMAL(18, 2)\"}", "columns: {}"),
        ("columns: {id: {type: BIGINT, required: true}, amount: \"DECIMAL(18, 2)\"}", "columns: [id]"),
        ("amount: \"DECIMAL(18, 2)\"", "amount: DECIMAL"),
        ("amount: \"DECIMAL(18, 2)\"", "amount: \"DECIMAL(39, 2)\""),
        ("amount: \"DECIMAL(18, 2)\"", "amount: integer"),
        ("amount: \"DECIMAL(18, 2)\"", "_run_id: VARCHAR"),
        ("amount: \"DECIMAL(18, 2)\"", "\"am'ount\": VARCHAR"),
        ("required: true", "required: maybe"),
        ("output: bronze.orders", "output: orders"),
        ("output: bronze.orders", ""),
        ("load: append", "load: upsert"),
        ("sql: sql/orders.sql", "sql: sql/orders.sql\n        command: [bin/x]"),
        ("sql: sql/orders.sql", "sql: [sql/orders.sql]"),
        ("sql: sql/orders.sql", "sql: sql/orders.sql\n        credentials: [warehouse]"),
        ("sql: sql/orders.sql", "sql: sql/orders.sql\n        credentials: []"),
        ("sql: sql/orders.sql", "command: [bin/run]\n        credentials: [Warehouse]"),
        ("sql: sql/orders.sql", "command: [bin/run]\n        credentials: [ware-house]"),
        ("sql: sql/orders.sql", "command: [bin/run]\n        credentials: [a, a]"),
        ("sql: sql/orders.sql", "command: [bin/run]\n        credentials: a"),
        ("sql: sql/orders.sql", "command: [bin/run]\n        credentials: {a: env://A}"),
        ("sql: sql/orders.sql", "sql: sql/orders.sql\n        engine: spark"),
        ("sql: sql/orders.sql", "sql: sql/orders.sql\n        engine: command"),
        ("sql: sql/orders.sql", ""),
        ("inputs: [bronze.orders]", "inputs: [bronze.orders, bronze.orders]"),
        ("inputs: [bronze.orders]", "inputs: bronze.orders"),
        ("inputs: [bronze.orders]", "inputs: [{asset: bronze.orders}]"),
        ("keys: [id]", "keys: [id, id]"),
        ("keys: [id]", "keys: [id]\n        pool: Large"), ("    tasks:\n", "    pool: [large]\n    tasks:\n"),
        ("keys: [id]", "keys: {id: 1}"),
        ("keys: [id]", "keys: [\" id\"]"),
        ("keys: [id]", "keys: [id]\n        columns: {id: sensitive}"),
        ("keys: [id]", "keys: [id]\n        columns: {id: {tags: [Very Sensitive]}}"),
        ("not_null: id", "not_empty: id"),
        ("not_null: id", "not_null: {column: id, severity: error}"),
        ("not_null: id", "not_null: {col: id}"),
        ("not_null: id", "not_null: {column: id, name: \"it's\"}"),
        ("not_null: id", "unique: []"),
        ("not_null: id", "accepted_values: {column: id, values: []}"),
        ("not_null: id", "accepted_values: {column: id, values: [null]}"),
        ("not_null: id", "accepted_values: {column: id, values: x}"),
        ("not_null: id", "range: {column: id}"),
        ("not_null: id", "range: {column: id, min: low}"),
        ("not_null: id", "row_count: {}"),
        ("not_null: id", "row_count: {min: -1}"),
        ("not_null: id", "row_count: {min: 1.5}"),
        ("not_null: id", "relationships: {column: id, to: bronze.orders}"),
        ("not_null: id", "freshness: {column: at, max_age: 5}"),
        ("not_null: id", "sql: SELECT 1"),
        ("not_null: id", "sql: {query: SELECT 1}"),
        ("- not_null: id", "- not_null: id\n            unique: id"),
        ("- not_null: id", "- not_null"),
        ("- not_null: id", "not_null: id"),
        ("tasks:", "triggers: {t: {}}\n    tasks:"),
        ("tasks:", "triggers: [t]\n    tasks:"),
        ("tasks:", "triggers: {\"T\": {webhook: {}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {webhook: {}, asset: bronze.orders}}\n    tasks:"),
        ("tasks:", "triggers: {t: {webhook: {}, overlap: cancel}}\n    tasks:"),
        ("tasks:", "triggers: {t: {webhook: {}, parameters: {year: [1]}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {cron: \"@daily\"}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {cron: \"@daily\", every: 1d}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {cron: \"@daily\", anchor: \"2026-01-01T00:00:00Z\"}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {cron: 5}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: daily}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, dst: twice}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, start: tomorrow}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, catch_up: all}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, catch_up: {mode: some}}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, catch_up: {mode: all, max: 0}}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {schedule: {every: 1d, blackouts: [{from: \"22:00\"}]}}}\n    tasks:"),
        (
            "tasks:",
            "triggers: {t: {schedule: {every: 1d, blackouts: [{days: [Freitag], from: \"22:00\", until: \"23:00\"}]}}}\n    tasks:"
        ),
        ("tasks:", "triggers: {t: {upstream: {on: success}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {upstream: {bundle: other, flow: daily, on: sometimes}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {asset: orders}}\n    tasks:"),
        ("tasks:", "triggers: {t: {asset: {debounce: 5s}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {file: {path: \"\"}}}\n    tasks:"),
        ("tasks:", "triggers: {t: {file: /srv/raw}}\n    tasks:"),
        ("tasks:", "triggers: {t: {webhook: {secret: abc}}}\n    tasks:"),
    ]

    static func manifests(_ changes: [(String, String)], _ prefix: String) -> [(name: String, text: String, change: String)] {
        changes.enumerated().map { index, change in
            var text = Sample.manifest(change.0, change.1)
            // An external table must be somebody's input.
            if change.1.contains("gold.elsewhere") {
                text = text.replacing("[bronze.orders]", with: "[bronze.orders, gold.elsewhere]")
            }
            return ("\(prefix)-\(100 + index).yaml", text, change.1)
        }
    }

    @Test func `the schema and the parser agree on every manifest of the corpus`() async throws {
        let python = try tool("python/bin/python")
        let corpus = Self.manifests(Self.good, "good") + Self.manifests(Self.bad, "bad")
        try await withTemporaryFolder { folder in
            for case_ in corpus { try Data(case_.text.utf8).write(to: folder.appending(path: case_.name)) }
            let output = try await run(
                python,
                [
                    Sample.root.appending(path: "Tests/FlowForgeBundleTests/validate_schema.py").path,
                    Sample.root.appending(path: "docs/schemas/flowforge.schema.json").path, folder.path,
                ])
            let verdicts = try JSONDecoder().decode([String: String?].self, from: Data(output.utf8))
            for case_ in corpus {
                let verdict = try #require(verdicts[case_.name])
                let problems = Sample.problems(case_.text)
                let isGood = case_.name.hasPrefix("good")
                #expect(problems.isEmpty == isGood, "the parser on '\(case_.change)': \(problems)")
                #expect((verdict == nil) == isGood, "the schema on '\(case_.change)': \(verdict ?? "valid")")
            }
        }
    }

    @Test func `the example is valid by the schema, and tells editors where it is`() async throws {
        let python = try tool("python/bin/python")
        let text = try String(contentsOf: Sample.root.appending(path: "Examples/nyc-flights/flowforge.yaml"), encoding: .utf8)
        #expect(text.hasPrefix("# yaml-language-server: $schema=../../docs/schemas/flowforge.schema.json\n"))
        try await withTemporaryFolder { folder in
            try Data(text.utf8).write(to: folder.appending(path: "example.yaml"))
            let output = try await run(
                python,
                [
                    Sample.root.appending(path: "Tests/FlowForgeBundleTests/validate_schema.py").path,
                    Sample.root.appending(path: "docs/schemas/flowforge.schema.json").path, folder.path,
                ])
            #expect(output == "{\"example.yaml\": null}\n")
        }
    }
}
