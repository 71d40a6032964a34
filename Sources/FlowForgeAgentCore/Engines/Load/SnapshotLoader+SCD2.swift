import FlowForgeBundle
import FlowForgeProtocol

extension SnapshotLoader {
    /// Slowly changing dimension, type 2. Rows whose values did not change stay as they are; changed
    /// ones are closed at the run's time and opened again with the new values; keys that the new rows
    /// lack stay current.
    func slowlyChange(_ rows: IncomingRows) async throws -> Loaded {
        if let reserved = rows.schema.first(where: { LoadSpec.history.map(\.name).contains($0.name) }) {
            throw TaskError(
                code: "schema_mismatch", message: "'\(reserved.name)' is a column that load mode scd2 writes itself",
                hint: "rename it in the SELECT")
        }
        let count = try await hold(rows)
        let opened = "CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS _valid_to, true AS _is_current"
        let history = LoadSpec.history
        guard let base else {
            let new = try await writer.write("SELECT *, getvariable('run_time') AS _valid_from, \(opened) FROM \(Self.incoming)")
            let columns = rows.schema + history
            return try await finish(new: new, columns: columns, kept: [], schema: columns, rowsWritten: count)
        }
        let schema = try SchemaDrift.joined(base: base.record.schema, new: rows.schema, asset: asset)
        try await compare(rows, with: base)
        let fresh = try await session.row(Count.self, "SELECT count(*) AS n FROM \"ff opened\"").n
        guard fresh > 0 else {
            return try await finish(
                new: [], columns: schema, kept: base.record.files, schema: schema, rowsWritten: 0, rowsIncoming: count)
        }
        let touched = try await files(of: base, matching: "\"ff opened\"", where: "b._is_current")
        let kept = base.record.files.filter { !touched.contains($0) }
        // A run that was created before the one that opened a row must not close it before it began.
        var parts = [
            """
            SELECT * EXCLUDE ("ff since"), greatest(getvariable('run_time'), coalesce("ff since", getvariable('run_time'))) \
            AS _valid_from, \(opened) FROM "ff opened"
            """
        ]
        if !touched.isEmpty {
            parts.insert(
                """
                SELECT b.* REPLACE (\
                CASE WHEN i."ff hit" THEN greatest(getvariable('run_time'), b._valid_from) ELSE b._valid_to END AS _valid_to, \
                b._is_current AND i."ff hit" IS NULL AS _is_current) \
                FROM (\(base.select(touched))) b LEFT JOIN (SELECT \(SQLText.identifiers(load.keys)), true AS "ff hit" FROM "ff opened") i \
                ON \(match("b", "i")) AND b._is_current
                """, at: 0)
        }
        let new = try await writer.write(parts.joined(separator: " UNION ALL BY NAME "))
        return try await finish(
            new: new, columns: touched.isEmpty ? rows.schema + history : schema, kept: kept, schema: schema,
            rowsWritten: fresh, rowsIncoming: count)
    }

    /// Fills `"ff opened"` with the incoming rows that are new or differ from the current row of their
    /// key, whose begin is `"ff since"`.
    private func compare(_ rows: IncomingRows, with base: SnapshotFolder) async throws {
        let present = Set(base.record.schema.map { $0.name.lowercased() })
        let keys = Set(load.keys.map { $0.lowercased() })
        let values = rows.schema.map(\.name).filter { !keys.contains($0.lowercased()) }
        let differences = values.map { name in
            let column = SQLText.identifier(name)
            return present.contains(name.lowercased()) ? "i.\(column) IS DISTINCT FROM b.\(column)" : "i.\(column) IS NOT NULL"
        }
        let first = SQLText.identifier(load.keys[0])
        try await session.execute(
            """
            CREATE TEMP TABLE "ff opened" AS SELECT i.*, b._valid_from AS "ff since" FROM \(Self.incoming) i \
            LEFT JOIN (SELECT * FROM (\(base.select())) WHERE _is_current) b ON \(match("b", "i")) \
            WHERE b.\(first) IS NULL\(differences.map { " OR \($0)" }.joined())
            """)
    }
}
