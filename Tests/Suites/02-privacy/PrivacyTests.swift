import Foundation
import Testing

/// Rows never leave the agent: values planted in the data are looked for in everything that the
/// control plane stores and logs, and in what the agent and it say to each other.
@Suite struct PrivacyTests {
    /// In text columns, in numbers tagged sensitive, in rows that break a file, a conversion, a check.
    private static let planted = [
        "Zanzibarquist", "Oxblood-7731", "qwuxtable", "770077007", "notanumber-kvetch", "ragged-mumblecore", "1931-07-19",
        "latecomer-xylo",
    ]

    private static let manifest = """
        bundle: {name: people, version: 1.0.0, description: planted values}
        variables: {raw_dir: {type: path, description: raw files}}
        flows:
          good:
            tasks:
              ingest:
                layer: bronze
                source:
                  format: csv
                  path: "${variables.raw_dir}/people*.csv"
                  columns: {name: VARCHAR, code: VARCHAR, secret_number: BIGINT, born: DATE}
                output: bronze.people
                load: append
                columns: {secret_number: {tags: [sensitive]}, born: {tags: [sensitive]}}
                checks:
                  - accepted_values: {column: name, values: [Smith], severity: warn}
                  - unique: {columns: [code], severity: warn}
              people:
                layer: silver
                sql: people.sql
                inputs: [bronze.people]
                output: silver.people
                load: merge
                keys: [code]
                columns: {secret_number: {tags: [sensitive]}, born: {tags: [sensitive]}}
                checks:
                  - sql: {name: none-odd, query: "SELECT * FROM this WHERE code LIKE 'qw%'", severity: warn}
          bad:
            tasks:
              cast: {layer: gold, sql: cast.sql, inputs: [silver.people], output: gold.cast}
          worse:
            tasks:
              raise: {layer: gold, sql: raise.sql, inputs: [silver.people], output: gold.raised}
        """

    private static let files = [
        "flowforge.yaml": manifest,
        "people.sql": "SELECT name, code, secret_number, born FROM bronze.people",
        "cast.sql": "SELECT CAST(name AS INTEGER) AS number FROM silver.people",
        "raise.sql": "SELECT error('this row: ' || name || ' ' || code || ' ' || secret_number) AS raised FROM silver.people",
    ]

    private static let raw = """
        name,code,secret_number,born
        Zanzibarquist,Oxblood-7731,770077007,1931-07-19
        Smith,qwuxtable,770077007,1931-07-19
        latecomer-xylo,Oxblood-7731,5,1931-07-19
        Smith,c3,notanumber-kvetch,1931-07-19
        Smith,c4,1,1931-07-19,ragged-mumblecore

        """

    @Test(.timeLimit(.minutes(3))) func `values of the data reach neither the control plane nor the wire`() async throws {
        try await Installation.up { it in
            let bundle = it.folder.appending(path: "people")
            let raw = it.folder.appending(path: "raw")
            for folder in [bundle, raw] { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
            for (name, text) in Self.files {
                try text.write(to: bundle.appending(path: name), atomically: true, encoding: .utf8)
            }
            try Self.raw.write(to: raw.appending(path: "people.csv"), atomically: true, encoding: .utf8)

            let traffic = it.folder.appending(path: "traffic")
            try await it.recording(to: traffic) { port in
                try await it.withAgent(url: "https://127.0.0.1:\(port)") {
                    try await it.mustFlowforge("env", "create", "dev", "--pool", "local", "--var", "raw_dir=\(raw.path)")
                    try await it.mustFlowforge("deploy", bundle.path, "--env", "dev")
                    let good = try await it.flowforge("run", "start", "good", "--env", "dev", "--watch")
                    #expect(good.status == 1, "three rows share two keys, so the merge must refuse: \(good)")
                    try """
                    name,code,secret_number,born
                    Zanzibarquist,Oxblood-7731,770077007,1931-07-19
                    Smith,qwuxtable,770077007,1931-07-19
                    Smith,c3,notanumber-kvetch,1931-07-19
                    Smith,c4,1,1931-07-19,ragged-mumblecore

                    """.write(to: raw.appending(path: "people.csv"), atomically: true, encoding: .utf8)
                    try await it.mustFlowforge("env", "create", "again", "--pool", "local", "--var", "raw_dir=\(raw.path)")
                    try await it.mustFlowforge("deploy", "people@1.0.0", "--env", "again")
                    try await it.mustFlowforge("run", "start", "good", "--env", "again", "--watch")
                    for flow in ["bad", "worse"] {
                        let failed = try await it.flowforge("run", "start", flow, "--env", "again", "--watch")
                        #expect(failed.status == 1, "\(failed)")
                        #expect(
                            Self.planted.allSatisfy { !failed.output.contains($0) && !failed.errors.contains($0) }, "\(failed)")
                    }
                    let shown = try await it.mustFlowforge("asset", "show", "silver.people", "--env", "again")
                    #expect(shown.output.contains("secret_number"))
                }
            }

            // The values are where they belong: in the lake and in its quarantine.
            let lake = try await execute(
                Checkout.duckdb,
                ["-csv", "-c", "SELECT * FROM read_parquet('\(it.lake.path)/again/silver/people/current/**/*.parquet')"])
            #expect(lake.output.contains("Zanzibarquist") && lake.output.contains("770077007"), "\(lake)")

            let recorded = try Data(contentsOf: traffic)
            #expect(recorded.range(of: Data("silver.people".utf8)) != nil, "the recording is of the agent's words")
            #expect(recorded.range(of: Data(#""type":"finished""#.utf8)) != nil)
            for value in Self.planted {
                #expect(recorded.range(of: Data(value.utf8)) == nil, "'\(value)' crossed the wire")
                // The bundle itself holds no planted value, so the registry is searched as well.
                #expect(try filesHolding(value, under: it.control).isEmpty)
                let log = try Data(contentsOf: it.folder.appending(path: "flowforged.log"))
                #expect(log.range(of: Data(value.utf8)) == nil, "'\(value)' is in flowforged's log")
            }
        }
    }
}
