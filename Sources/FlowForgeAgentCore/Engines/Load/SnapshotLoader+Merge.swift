import FlowForgeBundle
import FlowForgeProtocol

extension SnapshotLoader {
    /// The incoming rows in a table of the session: merge and SCD2 read them more than once.
    static let incoming = "\"ff incoming\""

    struct Count: Decodable, Sendable { var n: Int64 }

    /// New rows replace base rows with equal keys; files of the base without such rows are linked.
    func merge(_ rows: IncomingRows) async throws -> Loaded {
        let count = try await hold(rows)
        guard let base else {
            let new = try await writer.write("SELECT * FROM \(Self.incoming)")
            return try await finish(new: new, columns: rows.schema, kept: [], schema: rows.schema)
        }
        let schema = try SchemaDrift.joined(base: base.record.schema, new: rows.schema, asset: asset)
        guard count > 0 else { return try await finish(new: [], columns: schema, kept: base.record.files, schema: schema) }
        let touched = try await files(of: base, matching: Self.incoming)
        let kept = base.record.files.filter { !touched.contains($0) }
        var parts = ["SELECT * FROM \(Self.incoming)"]
        if !touched.isEmpty {
            parts.insert("SELECT * FROM (\(base.select(touched))) b ANTI JOIN \(Self.incoming) i ON \(match("b", "i"))", at: 0)
        }
        let new = try await writer.write(parts.joined(separator: " UNION ALL BY NAME "))
        return try await finish(
            new: new, columns: touched.isEmpty ? rows.schema : schema, kept: kept, schema: schema, rowsWritten: count)
    }

    /// Reads the rows once into ``incoming`` and checks their keys. Returns how many there are.
    func hold(_ rows: IncomingRows) async throws -> Int64 {
        for (number, batch) in rows.batches.enumerated() {
            let verb = number == 0 ? "CREATE TEMP TABLE \(Self.incoming) AS" : "INSERT INTO \(Self.incoming)"
            try await session.execute("\(verb) \(batch.select)")
            try await batch.afterwards?()
        }
        let names = Set(rows.schema.map { $0.name.lowercased() })
        if let missing = load.keys.first(where: { !names.contains($0.lowercased()) }) {
            throw TaskError(
                code: "schema_mismatch", message: "the key '\(missing)' of \(asset) is no column of the task's rows",
                hint: "add it to the SELECT or change load.keys")
        }
        let keys = SQLText.identifiers(load.keys)
        struct Faults: Decodable, Sendable {
            var n: Int64
            var without: Int64
        }
        let anyNull = load.keys.map { "\(SQLText.identifier($0)) IS NULL" }.joined(separator: " OR ")
        let faults = try await session.row(
            Faults.self, "SELECT count(*) AS n, count(*) FILTER (WHERE \(anyNull)) AS without FROM \(Self.incoming)")
        guard faults.without == 0 else {
            throw TaskError(
                code: "null_keys",
                message: "\(faults.without) of \(faults.n) new rows have no key (\(load.keys.joined(separator: ", ")))",
                hint: "leave them out in the SELECT (WHERE … IS NOT NULL) or choose other keys")
        }
        let duplicates = try await session.row(
            Count.self,
            "SELECT count(*) AS n FROM (SELECT 1 FROM \(Self.incoming) GROUP BY \(keys) HAVING count(*) > 1)")
        guard duplicates.n == 0 else {
            throw TaskError(
                code: "duplicate_keys",
                message:
                    "\(duplicates.n) keys (\(load.keys.joined(separator: ", "))) occur more than once in the \(faults.n) new rows",
                hint:
                    "deduplicate in the SELECT, e.g. QUALIFY row_number() OVER (PARTITION BY \(load.keys.joined(separator: ", ")) ORDER BY …) = 1"
            )
        }
        return faults.n
    }

    /// `a.k1 = b.k1 AND …`
    func match(_ left: String, _ right: String) -> String {
        load.keys.map { "\(left).\(SQLText.identifier($0)) = \(right).\(SQLText.identifier($0))" }.joined(separator: " AND ")
    }

    /// The files of the base that hold a row with a key of `table`, among the rows that `condition` allows.
    func files(of base: SnapshotFolder, matching table: String, where condition: String = "true") async throws -> [SnapshotFile] {
        struct Named: Decodable, Sendable { var f: String }
        let byPath = Dictionary(base.record.files.map { (base.path(of: $0), $0) }) { first, _ in first }
        let paths = SQLText.list(base.record.files.map(base.path(of:)))
        let found = try await session.rows(
            Named.self,
            """
            SELECT DISTINCT b."ff file" AS f FROM read_parquet(\(paths), hive_partitioning = false, \
            union_by_name = \(!base.record.uniform), filename = 'ff file') b SEMI JOIN \(table) i ON \(match("b", "i")) AND (\(condition))
            """)
        return found.compactMap { byPath[$0.f] }
    }
}
