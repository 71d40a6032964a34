public import FlowForgeProtocol
internal import Foundation
internal import GRDB

extension Session {
    public var assets: AssetQueries { AssetQueries(session: self) }
}

/// What is known of assets: their snapshots, schemas and statistics.
public struct AssetQueries {
    let session: Session

    /// Records an accepted snapshot and makes it the asset's current one. A schema that equals the
    /// one before is not stored again.
    public func record(_ published: AcceptedCompletion.Published, of completion: AcceptedCompletion) throws {
        let (output, environment) = (published.output, completion.environment)
        let asset = output.asset.description
        let columns = try jsonText(output.schema)
        let before = try session.row(
            "SELECT id, serial, columns FROM asset_schema WHERE environment = ? AND asset = ? ORDER BY serial DESC LIMIT 1",
            [environment, asset])
        var schema: Int64? = before?["id"]
        let isChanged = before.map { ($0["columns"] as String) != columns } ?? true
        if isChanged {
            let serial: Int = (before?["serial"] ?? 0) + 1
            try session.change(
                "INSERT INTO asset_schema (environment, asset, serial, columns) VALUES (?, ?, ?, ?)",
                [environment, asset, serial, columns])
            schema = session.db.lastInsertedRowID
        }
        try session.change(
            """
            INSERT INTO snapshot (id, environment, asset, version, location, rows, bytes, published_at, run, task,
                attempt, fencing, schema, schema_changed, statistics)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                published.snapshot.id.description, environment, asset, published.snapshot.version,
                published.snapshot.location, output.rows, output.bytes, completion.acceptedAt.milliseconds,
                completion.run.description, completion.task, completion.attempt.description, completion.fencing,
                schema, isChanged && before != nil, try jsonText(output.statistics),
            ])
        try session.change(
            """
            INSERT INTO asset (environment, name, layer, snapshot) VALUES (?, ?, ?, ?)
            ON CONFLICT (environment, name) DO UPDATE SET snapshot = excluded.snapshot
            """,
            [environment, asset, output.asset.layer.rawValue, published.snapshot.id.description])
    }

    /// Makes what ``PublicationQueries/point(_:of:environment:pool:offerAt:above:)`` returned the asset's
    /// current snapshot in the catalog. A schema that differs from the environment's newest one joins its
    /// history. Throws ``StoreError/conflict(_:)`` where the catalog does not know the snapshot as one of
    /// the asset's in its home.
    public func point(_ snapshot: SnapshotReference, of asset: AssetName, environment: String) throws {
        let (id, name) = (snapshot.id.description, asset.description)
        let known = try session.exists(
            "SELECT 1 FROM snapshot WHERE id = ? AND environment = ? AND asset = ?", [id, snapshot.home ?? environment, name])
        guard known else { throw StoreError.conflict("\(id) is no known snapshot of \(name)") }
        let hadSchema = try session.exists(
            "SELECT 1 FROM asset_schema WHERE environment = ? AND asset = ? LIMIT 1", [environment, name])
        let changed = try session.change(Self.adoptSchemaSQL, [environment, name, id])
        if hadSchema, changed > 0 {
            try session.change(
                "UPDATE pointer_move SET schema_changed = 1 WHERE environment = ? AND asset = ? AND version = ?",
                [environment, name, snapshot.version])
        }
        try session.change(
            """
            INSERT INTO asset (environment, name, layer, snapshot) VALUES (?, ?, ?, ?)
            ON CONFLICT (environment, name) DO UPDATE SET snapshot = excluded.snapshot
            """, [environment, name, asset.layer.rawValue, id])
    }

    /// A snapshot that was made in the environment, or that lies in another's and was pointed to from it.
    public func snapshot(_ id: ID<Snapshot>, of asset: AssetName, environment: String) throws -> SnapshotReference? {
        try session.row(
            """
            SELECT s.id, s.version, s.location, CASE WHEN s.environment <> ?3 THEN s.environment END AS home FROM snapshot s
            WHERE s.id = ?1 AND s.asset = ?2 AND (s.environment = ?3 OR EXISTS (
                SELECT 1 FROM pointer_move m WHERE m.environment = ?3 AND m.asset = ?2 AND m.snapshot = ?1))
            """, [id.description, asset.description, environment]
        ).map { row in
            SnapshotReference(id: try row.id("id"), version: row["version"], location: row["location"], home: row["home"])
        }
    }

    /// Takes the asset out of the environment's catalog; its snapshots and their versions stay known.
    public func withdraw(_ asset: AssetName, environment: String) throws {
        try session.change("DELETE FROM asset WHERE environment = ? AND name = ?", [environment, asset.description])
    }

    /// Undoes ``withdraw(_:environment:)``; one that is there is left alone.
    public func restore(_ asset: AssetName, to snapshot: ID<Snapshot>, environment: String) throws {
        try session.change(
            "INSERT INTO asset (environment, name, layer, snapshot) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [environment, asset.description, asset.layer.rawValue, snapshot.description])
    }

    private static let adoptSchemaSQL = """
        INSERT INTO asset_schema (environment, asset, serial, columns)
        SELECT ?1, ?2, 1 + coalesce(last.serial, 0), new.columns
        FROM snapshot s JOIN asset_schema new ON new.id = s.schema LEFT JOIN (
            SELECT serial, columns FROM asset_schema WHERE environment = ?1 AND asset = ?2 ORDER BY serial DESC LIMIT 1
        ) last WHERE s.id = ?3 AND last.columns IS NOT new.columns
        """

    /// By name, those behind `after`; without schema, statistics, checks and history.
    public func list(environment: String, layer: Layer?, after: AssetName?, limit: Int) throws -> [OperatorAPI.AssetView] {
        let after = after?.description ?? ""
        let rows =
            if let layer {
                try session.rows(
                    "\(Self.select) AND asset.layer = ? AND asset.name > ? ORDER BY asset.name LIMIT ?",
                    [environment, layer.rawValue, after, limit])
            } else {
                try session.rows(
                    "\(Self.select) AND asset.name > ? ORDER BY asset.name LIMIT ?", [environment, after, limit])
            }
        return try rows.map(Self.view)
    }

    /// With schema, statistics, checks, and the newest `historyLimit` snapshots.
    public func find(_ name: AssetName, environment: String, historyLimit: Int) throws -> OperatorAPI.AssetView? {
        guard
            let row = try session.row("\(Self.select) AND asset.name = ?", [environment, name.description])
        else { return nil }
        var view = try Self.view(row)
        view.schema = try schema(of: name, environment: environment)
        view.statistics = try row.json([ColumnStatistics].self, "statistics")
        let attempt = try session.row("SELECT checks FROM attempt WHERE id = ?", [row["attempt"] as String])
        view.checks = try attempt?.optionalJSON([CheckResult].self, "checks") ?? []
        view.history = try session.rows(Self.historySQL, [environment, name.description, historyLimit]).map { row in
            OperatorAPI.SnapshotView(
                snapshot: try Self.reference(row), rows: row["rows"], bytes: row["bytes"],
                publishedAt: Date(milliseconds: row["published_at"]), run: try row.id("run"),
                schemaChanged: row["schema_changed"])
        }
        return view
    }

    /// Of the current snapshot; `nil` for an asset that was never published.
    public func schema(of name: AssetName, environment: String) throws -> [ColumnSchema]? {
        try session.row(
            """
            SELECT asset_schema.columns FROM asset JOIN snapshot ON snapshot.id = asset.snapshot
            JOIN asset_schema ON asset_schema.id = snapshot.schema WHERE asset.environment = ? AND asset.name = ?
            """, [environment, name.description]
        ).map { try $0.json([ColumnSchema].self, "columns") }
    }

    /// The snapshot may be another environment's: its version and place are those that it has here.
    private static let select = """
        SELECT asset.environment, asset.name, coalesce(p.version, snapshot.version) AS version, p.home,
            coalesce(p.accepted_at, snapshot.published_at) AS published_at, snapshot.*
        FROM asset JOIN snapshot ON snapshot.id = asset.snapshot
        LEFT JOIN publication p ON p.environment = asset.environment AND p.asset = asset.name AND p.snapshot = asset.snapshot
        WHERE asset.environment = ?
        """

    private static let historySQL = """
        SELECT id, version, location, NULL AS home, rows, bytes, published_at, run, schema_changed
        FROM snapshot WHERE environment = ?1 AND asset = ?2
        UNION ALL
        SELECT s.id, m.version, m.location, m.home, s.rows, s.bytes, m.moved_at, s.run, m.schema_changed
        FROM pointer_move m JOIN snapshot s ON s.id = m.snapshot WHERE m.environment = ?1 AND m.asset = ?2
        ORDER BY version DESC LIMIT ?3
        """

    private static func view(_ row: Row) throws -> OperatorAPI.AssetView {
        let name: String = row["name"]
        guard let asset = AssetName(name) else { throw StoreError.corrupt("column name holds '\(name)'") }
        return OperatorAPI.AssetView(
            environment: row["environment"], name: asset, snapshot: try reference(row), rows: row["rows"],
            bytes: row["bytes"], publishedAt: Date(milliseconds: row["published_at"]), run: try row.id("run"),
            task: row["task"], schema: nil, statistics: nil, checks: nil, history: nil)
    }

    private static func reference(_ row: Row) throws -> SnapshotReference {
        SnapshotReference(id: try row.id("id"), version: row["version"], location: row["location"], home: row["home"])
    }
}
