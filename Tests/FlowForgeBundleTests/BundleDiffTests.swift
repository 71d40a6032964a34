import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeBundle

@Suite struct BundleDiffTests {
    private func bundle(_ manifest: String = Sample.manifest, sql: String = Sample.sql, more: [BundleFile] = []) throws
        -> PackedBundle
    {
        try BundleBuilder.build([Sample.file("flowforge.yaml", manifest), Sample.file("sql/orders.sql", sql)] + more)
    }

    private func changes(_ manifest: String = Sample.manifest, sql: String = Sample.sql, more: [BundleFile] = []) throws
        -> [String]
    {
        BundleDiff(try bundle(), try bundle(manifest, sql: sql, more: more)).changes.map {
            "\($0.action) \($0.subject) \($0.name) \($0.impact): \($0.fields.map(\.name).joined(separator: " "))"
        }
    }

    @Test func `comments, formatting, the order of keys and another version are no changes`() throws {
        let sql = """
            -- what is new
            SELECT id,amount /* all /* of */ it */
                FROM bronze . orders
              WHERE  id>getvariable( 'year' ) ;

            """
        let manifest = Sample.manifest("bundle: {name: sample, version: 1.0.0}\n", "").appending(
            "# the same\nbundle:\n  version: 1.1.0\n  name: sample\n")
        #expect(try changes(manifest, sql: sql).isEmpty)
        let diff = BundleDiff(try bundle(), try bundle(manifest, sql: sql))
        #expect(diff.impact == nil && diff.to.version == "1.1.0")
    }

    @Test(arguments: [
        // What SELECTs and programs do.
        ("SELECT id, amount FROM bronze.orders", "changed task daily.orders nonBreaking: query"),
        (
            "SELECT id, amount FROM bronze.orders WHERE id > getvariable('year') AND 'a' 'b' = ''",
            "changed task daily.orders nonBreaking: query"
        ),
    ])
    func `a query that says something else is a change`(sql: String, change: String) throws {
        #expect(try changes(sql: sql) == [change])
    }

    @Test(arguments: [
        ("SELECT 'a' 'b'", "SELECT 'a''b'"), ("SELECT 1 .5", "SELECT 1.5"), ("SELECT a b", "SELECT ab"),
        ("SELECT '-- no comment'", "SELECT ''"), ("SELECT $$ x $$", "SELECT $$ x  $$"), ("SELECT \"a b\"", "SELECT \"a  b\""),
    ])
    func `what is no formatting counts`(one: String, other: String) {
        #expect(SQLScan(one).code != SQLScan(other).code)
    }

    @Test(arguments: 0..<128 as Range<UInt32>) func `white space and letters of ASCII are what Unicode says`(number: UInt32)
        throws
    {
        let scalar = try #require(Unicode.Scalar(number))
        guard scalar != ";" else { return }
        let isSpace = scalar.properties.isWhitespace
        #expect((SQLScan("SELECT 1,\(scalar)2").code == "SELECT 1,2") == isSpace, "\(number)")
        let joins = scalar.properties.isAlphabetic || "0123456789_$'\"".unicodeScalars.contains(scalar)
        if !isSpace { #expect(SQLScan("SELECT a \(scalar)").code.hasPrefix("SELECT a ") == joins, "\(number)") }
    }

    @Test(arguments: [
        // Columns.
        (
            "{type: BIGINT, required: true}, amount", "{type: BIGINT, required: true}, at: DATE, amount",
            "added column bronze.orders.at nonBreaking: required type"
        ),
        (", amount: \"DECIMAL(18, 2)\"", "", "removed column bronze.orders.amount breaking: required type"),
        ("DECIMAL(18, 2)", "DECIMAL(20, 4)", "changed column bronze.orders.amount nonBreaking: type"),
        ("DECIMAL(18, 2)", "DECIMAL(18, 4)", "changed column bronze.orders.amount breaking: type"),
        ("DECIMAL(18, 2)", "VARCHAR", "changed column bronze.orders.amount breaking: type"),
        ("type: BIGINT", "type: HUGEINT", "changed column bronze.orders.id nonBreaking: type"),
        ("type: BIGINT", "type: INTEGER", "changed column bronze.orders.id breaking: type"),
        (", required: true", "", "changed column bronze.orders.id breaking: required"),
        (
            "keys: [id]\n", "keys: [id]\n        columns: {id: {description: the order}}\n",
            "added column silver.orders.id metadata: description"
        ),
        // Tables.
        ("load: merge\n        keys: [id]", "load: scd2\n        keys: [id]", "changed asset silver.orders breaking: load"),
        // What is asked for.
        ("default: 2013", "default: 2014", "changed parameter year nonBreaking: default"),
        (", default: 2013", "", "changed parameter year breaking: default"),
        (
            "raw_dir: {type: path}", "raw_dir: {type: path}\n  unit: {type: string, default: \"\"}",
            "added variable unit nonBreaking: default type"
        ),
        ("raw_dir: {type: path}", "raw_dir: {type: path}\n  unit: {type: string}", "added variable unit breaking: type"),
        ("year: {type: integer,", "year: {type: number,", "changed parameter year breaking: type"),
        // The rest.
        (
            "- not_null: id", "- not_null: id\n          - row_count: {min: 1}",
            "added check silver.orders.row_count nonBreaking: rule severity"
        ),
        ("layer: silver", "description: refined\n        layer: silver", "changed task daily.orders metadata: description"),
        ("layer: silver", "retries: {max: 2}\n        layer: silver", "changed task daily.orders nonBreaking: retry"),
        ("  daily:\n", "  daily:\n    priority: 5\n", "changed flow daily nonBreaking: priority"),
    ])
    func `each change is named with what it means`(old: String, new: String, change: String) throws {
        #expect(try changes(Sample.manifest(old, new)) == [change])
    }

    @Test func `files that programs read count by their bytes and whether they can be executed`() throws {
        let manifest = Sample.manifest("flows:", "include: [lib/]\nflows:")
        let one = try bundle(manifest, more: [Sample.file("lib/a.py", "1"), Sample.file("lib/b.sh", "2")])
        let other = try bundle(
            manifest,
            more: [Sample.file("lib/a.py", "# 1"), Sample.file("lib/b.sh", "2", isExecutable: true), Sample.file("lib/c", "3")])
        let diff = BundleDiff(one, other)
        #expect(diff.changes.map(\.name) == ["lib/a.py", "lib/b.sh", "lib/c"])
        #expect(diff.changes.map { $0.fields.map(\.name) } == [["contents"], ["executable"], ["contents", "executable"]])
        #expect(diff.impact == .nonBreaking)
    }

    /// What a comparison finds that takes every task apart, also those that are the same.
    private static func changesOfAll(_ one: PackedBundle, _ other: PackedBundle) -> [BundleDiff.Change] {
        let before = BundleFacts(one, beside: other, leavingOut: []).items
        let after = BundleFacts(other, beside: one, leavingOut: []).items
        return Set(before.keys).union(after.keys).sorted().compactMap {
            BundleDiff.Change($0, before: before[$0], after: after[$0])
        }
    }

    @Test func `tasks are the same only if their bytes, queries, checks and columns are`() async throws {
        let one = try await locked()
        #expect(BundleFacts.same(one, one) == ["daily.ingest", "daily.orders"])
        #expect(BundleFacts.same(one, try await locked(sql: Sample.sql + " ")) == ["daily.ingest"])
        #expect(BundleFacts.same(one, try await locked(Sample.manifest("- not_null: id", "- unique: id"))) == ["daily.ingest"])
        #expect(BundleFacts.same(one, try bundle()) == [])
        // Of another input column, the same query makes another one.
        #expect(BundleFacts.same(one, try await locked(Sample.manifest("type: BIGINT", "type: INTEGER"))) == [])
        // Equal as Swift compares texts, and not by their bytes.
        let composed = try bundle(Sample.manifest("layer: silver", "description: \u{E9}\n        layer: silver"))
        let decomposed = try bundle(Sample.manifest("layer: silver", "description: e\u{301}\n        layer: silver"))
        #expect(BundleFacts.same(composed, decomposed) == [])
        #expect(BundleDiff(composed, decomposed).changes.map(\.name) == ["daily.orders"])
    }

    /// Pairs of versions, made of random choices.
    @Test func `the difference back mirrors the difference forth, and there is none to itself`() throws {
        let edits: [(String, String)] = [
            ("DECIMAL(18, 2)", "DECIMAL(20, 4)"), ("type: BIGINT", "type: INTEGER"), (", required: true", ""),
            ("default: 2013", "default: 2014"),
            ("raw_dir: {type: path}", "raw_dir: {type: path}\n  unit: {type: string}"), ("load: merge", "load: scd2"),
            ("- not_null: id", "- unique: id"), ("layer: silver", "description: refined\n        layer: silver"),
            ("  daily:\n", "  daily:\n    priority: 5\n"),
        ]
        func version(_ random: inout SeededNumbers) throws -> (PackedBundle, [Int]) {
            let chosen = edits.indices.filter { _ in Bool.random(using: &random) }
            let manifest = chosen.reduce(Sample.manifest) { $0.replacing(edits[$1].0, with: edits[$1].1) }
            let isOther = Bool.random(using: &random)
            return (
                try bundle(manifest, sql: isOther ? "SELECT id FROM bronze.orders" : Sample.sql), chosen + (isOther ? [99] : [])
            )
        }
        for seed in 0..<50 as Range<UInt64> {
            var random = SeededNumbers(seed: seed)
            let (one, first) = try version(&random)
            let (other, second) = try version(&random)
            let (diff, what) = (BundleDiff(one, other), "seed \(seed): \(first) \(second)")
            #expect(BundleDiff(other, one) == diff.mirrored, "\(what)")
            #expect(diff.mirrored.mirrored == diff, "\(what)")
            #expect(diff.changes.isEmpty == (first == second), "\(what)")
            #expect(diff.changes == Self.changesOfAll(one, other), "\(what)")
            #expect(try WireCoding.decode(BundleDiff.self, from: WireCoding.encode(diff)) == diff, "\(what)")
            #expect(BundleDiff(one, one).changes.isEmpty, "\(what)")
        }
    }

    private func locked(_ manifest: String = Sample.manifest, sql: String = Sample.sql) async throws -> PackedBundle {
        try BundleBuilder.build(
            try await TestEngine.locked([Sample.file("flowforge.yaml", manifest), Sample.file("sql/orders.sql", sql)]))
    }

    private func columns(_ one: PackedBundle, _ other: PackedBundle) -> [String] {
        BundleDiff(one, other).changes.filter { [.column, .file].contains($0.subject) }.map {
            "\($0.action) \($0.name) \($0.impact): \($0.fields.map(\.name).joined(separator: " "))"
        }
    }

    @Test(arguments: [
        (
            Sample.sql, "SELECT id, amount::DECIMAL(20, 4) AS amount FROM bronze.orders",
            ["changed silver.orders.amount nonBreaking: type"]
        ),
        (Sample.sql, "SELECT id, amount::VARCHAR AS amount FROM bronze.orders", ["changed silver.orders.amount breaking: type"]),
        (
            Sample.sql, "SELECT id, amount AS total FROM bronze.orders",
            ["removed silver.orders.amount breaking: required type", "added silver.orders.total nonBreaking: required type"]
        ),
        (
            "SELECT id, 1::SMALLINT AS amount FROM bronze.orders", "SELECT id, 1::DECIMAL(7,2) AS amount FROM bronze.orders",
            ["changed silver.orders.amount nonBreaking: type"]
        ),
        (
            "SELECT id, 1::SMALLINT AS amount FROM bronze.orders", "SELECT id, 1::DECIMAL(6,2) AS amount FROM bronze.orders",
            ["changed silver.orders.amount breaking: type"]
        ),
    ])
    func `columns of a SELECT are compared where both versions have a lock`(one: String, other: String, expected: [String])
        async throws
    {
        let (before, after) = (try await locked(sql: one), try await locked(sql: other))
        #expect(columns(before, after) == expected)
        // What one side does not know has neither come nor gone, and neither has the lock itself.
        #expect(columns(try bundle(sql: one), after) == [])
        #expect(columns(before, try bundle(sql: other)) == [])
    }

    @Test func `a lock says which columns are never null, and those of a table that comes along`() async throws {
        let lax = Sample.manifest("- not_null: id", "- not_null: amount")
        #expect(columns(try await locked(), try await locked(lax)) == ["changed silver.orders.amount nonBreaking: required"])
        #expect(columns(try await locked(lax), try await locked()) == ["changed silver.orders.amount breaking: required"])
        let more = Sample.manifest.appending(
            "      sums:\n        layer: gold\n        sql: sql/orders.sql\n        inputs: [bronze.orders]\n        output: gold.sums\n"
        )
        #expect(
            columns(try bundle(), try await locked(more))
                == ["added gold.sums.amount nonBreaking: required type", "added gold.sums.id nonBreaking: required type"])
    }

    /// Every pair of versions, some with a lock.
    @Test func `the difference of locks back mirrors the difference forth`() async throws {
        var versions: [PackedBundle] = [try bundle(), try bundle(sql: "SELECT id FROM bronze.orders")]
        for sql in [
            Sample.sql, "SELECT id FROM bronze.orders", "SELECT id, amount::VARCHAR AS amount FROM bronze.orders",
            "SELECT id::INTEGER AS id, amount FROM bronze.orders",
        ] {
            versions.append(try await locked(sql: sql))
            versions.append(try await locked(Sample.manifest("type: BIGINT", "type: INTEGER"), sql: sql))
            versions.append(try await locked(Sample.manifest("- not_null: id", "- not_null: [id]"), sql: sql))
        }
        for one in versions {
            for other in versions {
                let diff = BundleDiff(one, other)
                #expect(BundleDiff(other, one) == diff.mirrored && diff.mirrored.mirrored == diff)
                #expect(diff.changes == Self.changesOfAll(one, other))
            }
            #expect(BundleDiff(one, one).changes.isEmpty)
        }
    }
}
