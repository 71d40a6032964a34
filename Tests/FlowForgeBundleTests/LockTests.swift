import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// What a lock says, and when it is stale.
@Suite struct LockTests {
    /// An ingest, a refinement of it, a summary by scd2, an external input and a program.
    static let manifest = """
        bundle: {name: sample, version: 1.0.0}
        parameters:
          year: {type: integer, default: 2013}
          label: {type: string}
        variables:
          raw_dir: {type: path}
        external: [silver.customers]
        contracts: [contracts/all.odcs.yaml]
        flows:
          daily:
            tasks:
              ingest:
                layer: bronze
                source:
                  format: csv
                  path: "${variables.raw_dir}/orders*.csv"
                  columns: {id: {type: BIGINT, required: true}, amount: "DECIMAL(18, 2)", big: HUGEINT, at: TIMESTAMPTZ, x: REAL}
                output: bronze.orders
                load: append
              orders:
                layer: silver
                sql: sql/orders.sql
                inputs: [bronze.orders, silver.customers]
                output: silver.orders
                load: merge
                keys: [id]
                checks:
                  - not_null: amount
                  - not_null: {column: label, severity: warn}
          later:
            tasks:
              history:
                layer: gold
                sql: sql/history.sql
                inputs: [silver.orders]
                output: gold.history
                load: scd2
                keys: [id]
              export:
                layer: gold
                command: [bin/export.sh]
                inputs: [gold.history]
                output: gold.export
              report:
                layer: gold
                sql: sql/report.sql
                inputs: [gold.export]
                output: gold.report
              unknown:
                layer: gold
                command: [bin/export.sh]
                output: gold.unknown
              reader:
                layer: gold
                sql: sql/reader.sql
                inputs: [gold.unknown]
                output: gold.reader

        """

    static let contract = """
        apiVersion: v3.1.0
        kind: DataContract
        id: 6f2c1c4e
        version: 1.0.0
        status: active
        team: {name: orders, members: []}
        schema:
          - name: customers
            physicalName: silver.customers
            logicalType: object
            properties:
              - {name: id, logicalType: integer, primaryKey: true}
              - {name: mail, physicalType: varchar(200), required: true, classification: restricted, examples: [a@b]}
          - name: silver.orders
            properties:
              - {name: id, physicalType: BIGINT, required: true}
              - {name: mail, logicalType: string, classification: restricted}
          - name: gold.export
            properties:
              - {name: id, physicalType: int8, required: true}
              - {name: at, logicalType: timestamp}

        """

    static let orders = """
        -- with the customer's address
        SELECT o.id, sum(o.big) AS amount, getvariable('label') AS label, c.mail, [1, 2] AS list, uuid() AS u, INTERVAL 1 DAY AS i
        FROM bronze.orders AS o JOIN silver.customers AS c ON c.id = o.id
        WHERE year(o.at) = getvariable('year') AND getvariable('run_time') > o.at AND getvariable('raw_dir') IS NULL
        GROUP BY o.id, c.mail

        """

    static func files(
        _ manifest: String = manifest, contract: String = contract, orders: String = orders
    ) -> [BundleFile] {
        [
            Sample.file("flowforge.yaml", manifest), Sample.file("contracts/all.odcs.yaml", contract),
            Sample.file("sql/orders.sql", orders), Sample.file("sql/history.sql", "SELECT id, amount FROM silver.orders"),
            Sample.file("sql/report.sql", "SELECT count(*) AS n FROM gold.export"),
            Sample.file("sql/reader.sql", "SELECT * FROM gold.unknown"),
            Sample.file("bin/export.sh", "#!/bin/sh\n", isExecutable: true),
        ]
    }

    private func said(_ columns: [LockedColumn]?) -> String {
        (columns ?? []).map { column in
            "\(column.name) \(column.type)\(column.nullable == false ? "!" : "")\(column.classification.map { " #\($0)" } ?? "")"
        }.joined(separator: ", ")
    }

    @Test func `columns and lineage are those of the tables that a run would make`() async throws {
        let draft = try await TestEngine.draft(Self.files())
        let lock = draft.lock
        func columns(_ name: String) -> String { said(lock.columns(of: AssetName(name)!)) }
        #expect(
            columns("bronze.orders")
                == "id BIGINT!, amount DECIMAL(18,2), big DECIMAL(38,0), at TIMESTAMP WITH TIME ZONE, x FLOAT, "
                + "_ingested_at TIMESTAMP WITH TIME ZONE!, _source_file VARCHAR!, _row_number BIGINT!, _run_id VARCHAR!")
        #expect(
            columns("silver.orders")
                == "id BIGINT!, amount DECIMAL(38,0)!, label VARCHAR, mail VARCHAR #restricted, list INTEGER[], u UUID, i INTERVAL"
        )
        #expect(
            columns("gold.history")
                == "id BIGINT!, amount DECIMAL(38,0), _valid_from TIMESTAMP WITH TIME ZONE!, _valid_to TIMESTAMP WITH TIME ZONE, "
                + "_is_current BOOLEAN!")
        #expect(columns("gold.export") == "id BIGINT!, at TIMESTAMP WITH TIME ZONE")
        #expect(columns("silver.customers") == "id BIGINT!, mail VARCHAR! #restricted")
        #expect(columns("gold.report") == "n BIGINT")
        #expect(columns("gold.unknown") == "" && columns("gold.reader") == "")
        #expect(
            draft.notes == [
                "the columns of gold.unknown are not known: a program writes it; a contract would tell them",
                "the columns of gold.reader are not known: those of gold.unknown are not",
            ])
        let lineage = try #require(lock.asset(AssetName("silver.orders")!)).lineage.map {
            "\($0.column)<\($0.from).\($0.fromColumn) \($0.subtype.rawValue)"
        }
        #expect(
            Set(lineage) == [
                "<bronze.orders.at FILTER", "<bronze.orders.id GROUP_BY", "<bronze.orders.id JOIN", "<silver.customers.id JOIN",
                "<silver.customers.mail GROUP_BY", "amount<bronze.orders.big AGGREGATION", "id<bronze.orders.id IDENTITY",
                "mail<silver.customers.mail IDENTITY",
            ])
        let source = try #require(lock.asset(AssetName("bronze.orders")!)).lineage
        #expect(source.map(\.column) == ["amount", "at", "big", "id", "x"])
        #expect(source.allSatisfy { $0.kind == .source && $0.from == "${variables.raw_dir}/orders*.csv" })
        #expect(try await TestEngine.draft(Self.files()).lock == lock)
        #expect(try BundleLock(reading: lock.text) == lock)
    }

    @Test func `a bundle carries its lock, and its digest covers it`() async throws {
        let files = try await TestEngine.locked(Self.files())
        let packed = try BundleBuilder.build(files)
        #expect(packed.lock?.text == files.last?.contents)
        let plain = try BundleBuilder.build(Self.files())
        #expect(plain.lock == nil && plain.digest != packed.digest)
    }

    /// Everything that another lock would follow from, and nothing else.
    @Test(arguments: [
        // The manifest, the query, the contract; what is stale then.
        (("unknown:", "unknown2:"), ("", ""), ("", ""), [String]()),
        (("", ""), ("-- with", "-- without"), ("", ""), []),
        (("", ""), ("SELECT o.id,", "SELECT  o.id ,"), ("", ""), []),
        (("", ""), ("", ""), ("status: active", "status: draft"), []),
        (("format: csv", "format: csv\n          delimiter: \";\""), ("", ""), ("", ""), []),
        (("default: 2013", "default: 2014"), ("", ""), ("", ""), []),
        (("command: [bin/export.sh]\n        inputs", "command: [bin/export.sh, x]\n        inputs"), ("", ""), ("", ""), []),
        (("", ""), ("GROUP BY o.id, c.mail", "GROUP BY ALL"), ("", ""), ["silver.orders"]),
        (("x: REAL", "x: DOUBLE"), ("", ""), ("", ""), ["bronze.orders"]),
        (("raw_dir}/orders", "raw_dir}/order"), ("", ""), ("", ""), ["bronze.orders"]),
        (("label: {type: string}", "label: {type: date}"), ("", ""), ("", ""), ["silver.orders"]),
        (("- not_null: amount", "- not_null: mail"), ("", ""), ("", ""), ["silver.orders"]),
        (("load: scd2", "load: merge"), ("", ""), ("", ""), ["gold.history"]),
        (("", ""), ("", ""), ("int8, required: true", "int8"), ["gold.export"]),
        (("", ""), ("", ""), ("string, classification: restricted", "string"), ["silver.orders"]),
    ])
    func `a lock is stale when it would be another one`(
        manifest: (String, String), orders: (String, String), contract: (String, String), stale: [String]
    ) async throws {
        func edited(_ text: String, _ edit: (String, String)) -> String {
            edit.0.isEmpty ? text : text.replacing(edit.0, with: edit.1)
        }
        let lock = try #require(try await TestEngine.locked(Self.files()).last)
        let files = Self.files(
            edited(Self.manifest, manifest), contract: edited(Self.contract, contract), orders: edited(Self.orders, orders))
        let found = Sample.problems(files + [lock])
        #expect(found.count == stale.count, "\(found)")
        for name in stale {
            #expect(
                found.contains(
                    "flowforge.lock: is stale: what \(name) is made from has changed since it was written (run `flowforge bundle lock`)"
                ),
                "\(found)")
        }
        #expect(Sample.problems(try await TestEngine.locked(files)) == [])
    }

    @Test func `tables that came and went are told, and a changed column makes what reads it stale`() async throws {
        var lock = try await TestEngine.draft(Self.files()).lock
        func problems() -> [String] {
            Sample.problems(Self.files() + [Sample.file(BundleLock.fileName, String(decoding: lock.text, as: UTF8.self))])
        }
        #expect(problems() == [])
        let report = lock.assets.remove(at: try #require(lock.assets.firstIndex { $0.asset.table == "report" }))
        #expect(problems() == ["flowforge.lock: is stale: gold.report is not in it (run `flowforge bundle lock`)"])
        lock.assets.append(report)
        lock = BundleLock(
            engine: lock.engine,
            assets: lock.assets + [LockedAsset(asset: AssetName("gold.gone")!, of: report.of, columns: report.columns)],
            externals: lock.externals + [LockedExternal(asset: AssetName("gold.other")!, columns: report.columns)])
        #expect(
            problems() == [
                "flowforge.lock: is stale: it has gold.gone, which no task writes (run `flowforge bundle lock`)",
                "flowforge.lock: is stale: it has gold.other, which is no external input (run `flowforge bundle lock`)",
            ])
        lock = try await TestEngine.draft(Self.files()).lock
        let index = try #require(lock.assets.firstIndex { $0.asset.description == "silver.orders" })
        lock.assets[index].columns[1].type = "DOUBLE"
        #expect(problems().map { $0.contains("what gold.history is made from") } == [true])
    }

    @Test(arguments: [
        ("SELECT id, nothing FROM bronze.orders", "sql/orders.sql:1: Referenced column \"nothing\" not found in FROM clause!"),
        (
            "SELECT id\nFROM gold.history",
            "because schema \"gold\" does not exist. (a task's SQL reads its declared inputs only; declare the asset under 'inputs')"
        ),
        ("SELECT id,\n  FROM FROM bronze.orders", "syntax error at or near"),
        ("SELECT id FROM read_csv('/etc/passwd')", "(a task's SQL reads its declared inputs only, no files)"),
        ("SELECT amount, [] AS mail FROM bronze.orders", "the task loads by 'id', which the SELECT does not give"),
        ("FROM (DESCRIBE bronze.orders)", "sql/orders.sql"),
        (
            "SELECT 1 AS id, '\n;\n.shell touch /tmp/never\n' AS \"\n.quit\n\" FROM nothing",
            "Table with name nothing does not exist!"
        ),
    ])
    func `SQL that would fail in a run fails here, with its place`(orders: String, problem: String) async throws {
        // Contracts are not what this is about, nor are the tables that read this one.
        let files = Self.files(
            contract: Self.contract.replacing("- name: silver.orders", with: "- name: gold.reader"), orders: orders)
        do {
            _ = try await TestEngine.draft(files)
            Issue.record("nothing was wrong")
        } catch let problems as Problems {
            #expect(problems.all.allSatisfy { $0.file == "sql/orders.sql" }, "\(problems)")
            #expect(problems.description.contains(problem), "\(problems)")
        }
    }

    @Test func `an external input is what the catalog says, else the contract, else what it was`() async throws {
        let customers = AssetName("silver.customers")!
        let catalog = [
            customers: [
                ColumnSchema(name: "mail", type: "VARCHAR"), ColumnSchema(name: "id", type: "BIGINT"),
                ColumnSchema(name: "more", type: "DATE", tags: ["x"]),
            ]
        ]
        let known = try await TestEngine.draft(Self.files(), catalog: catalog).lock
        #expect(said(known.columns(of: customers)) == "mail VARCHAR! #restricted, id BIGINT!, more DATE")
        // The contract is held against the catalog.
        await #expect(throws: Problems.self) {
            try await TestEngine.draft(Self.files(), catalog: [customers: [ColumnSchema(name: "id", type: "DATE")]])
        }
        let files = Self.files(
            Self.manifest.replacing("contracts: [contracts/all.odcs.yaml]\n", with: "include: [contracts/]\n"))
        #expect(try await TestEngine.draft(files).lock.externals.isEmpty)
        let told = try await TestEngine.draft(files, catalog: catalog).lock
        let again = try await TestEngine.draft(
            files + [Sample.file(BundleLock.fileName, String(decoding: told.text, as: UTF8.self))])
        #expect(again.lock == told)
        #expect(said(told.columns(of: customers)) == "mail VARCHAR, id BIGINT, more DATE")
    }

    @Test(arguments: [
        (
            "physicalType: BIGINT, required", "physicalType: INTEGER, required",
            "16:9: the contract promises silver.orders.id as INTEGER, and it is BIGINT"
        ),
        (
            "mail, logicalType: string", "mail, logicalType: integer",
            "17:9: the contract promises silver.orders.mail as integer, and it is VARCHAR"
        ),
        (
            "mail, logicalType: string", "mail, required: true",
            "17:9: the contract promises that silver.orders.mail has no nulls, and nothing sees to it (add the check `not_null: mail` to the task)"
        ),
        (
            "{name: mail, logicalType: string", "{name: fax, logicalType: string",
            "17:9: the contract promises a column 'fax', which silver.orders does not have"
        ),
    ])
    func `a promise of a contract that is not kept is a problem`(old: String, new: String, problem: String) async throws {
        let contract = Self.contract.replacing(old, with: new)
        #expect(contract != Self.contract)
        do {
            _ = try await TestEngine.draft(Self.files(contract: contract))
            Issue.record("the contract is kept")
        } catch let problems as Problems {
            #expect(problems.description.contains("contracts/all.odcs.yaml:\(problem)"), "\(problems)")
        }
        // Also where a lock is only read.
        let lock = try #require(try await TestEngine.locked(Self.files()).last)
        #expect(Sample.problems(Self.files(contract: contract) + [lock]).contains { $0.contains(problem) })
    }
}
