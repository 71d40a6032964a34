public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var publications: PublicationQueries { PublicationQueries(session: self) }
}

/// Which snapshot of each asset is current, and whether the pointer file in the lake says so too.
public struct PublicationQueries {
    let session: Session

    public func current(environment: String, asset: AssetName) throws -> SnapshotReference? {
        try session.row(
            "SELECT snapshot, version, location, home FROM publication WHERE environment = ? AND asset = ?",
            [environment, asset.description]
        ).map(Self.reference)
    }

    /// Where the tables point now, by asset; those that were never published are left out.
    public func pointers(environment: String, assets: Set<AssetName>) throws -> [ReleasePointer] {
        try session.rows(
            "SELECT asset, snapshot, location, home FROM publication WHERE environment = ? ORDER BY asset", [environment]
        ).compactMap { row in
            guard let asset = AssetName(row["asset"] as String), assets.contains(asset) else { return nil }
            return ReleasePointer(
                asset: asset, snapshot: try row.id("snapshot"), location: row["location"], home: row["home"] ?? environment)
        }
    }

    /// A table of the environment that lies in one of the layers.
    public func first(in layers: [String], environment: String) throws -> AssetName? {
        try session.row(
            """
            SELECT asset FROM publication
            WHERE environment = ? AND substr(asset, 1, instr(asset, '.') - 1) IN (SELECT value FROM json_each(?))
            ORDER BY asset LIMIT 1
            """, [environment, try jsonText(layers)]
        ).flatMap { AssetName($0["asset"] as String) }
    }

    /// Tables whose pointer files agents have moved to where they point now, by name.
    public func confirmed(environment: String) throws -> [(asset: AssetName, snapshot: SnapshotReference)] {
        try session.rows(
            """
            SELECT asset, snapshot, version, location, home FROM publication
            WHERE environment = ? AND confirmed_at IS NOT NULL ORDER BY asset
            """, [environment]
        ).compactMap { row in try AssetName(row["asset"] as String).map { ($0, try Self.reference(row)) } }
    }

    /// Tables whose pointer files no agent has moved to where they point now, by name.
    public func unconfirmed(environment: String) throws -> [AssetName] {
        try session.rows(
            "SELECT asset FROM publication WHERE environment = ? AND confirmed_at IS NULL ORDER BY asset", [environment]
        ).compactMap { AssetName($0["asset"] as String) }
    }

    /// Makes a snapshot the current one, with the version after the last (after a restoration one above
    /// its floor: the lake may have seen versions that are not known here). The pool's polls offer it
    /// from `offerAt` on until it is confirmed.
    public func publish(
        _ snapshot: ID<Snapshot>, location: String, of asset: AssetName, environment: String, pool: String, offerAt: Date
    ) throws -> SnapshotReference {
        let reference = SnapshotReference(id: snapshot, version: 0, location: location)
        return try move(to: reference, above: 0, of: asset, environment: environment, pool: pool, offerAt: offerAt)
    }

    /// Makes a snapshot that is there already the current one: another environment's, named by its `home`
    /// (``SnapshotReference/moved(from:to:)``), or an earlier one. It gets the version after the last, as
    /// with ``publish(_:location:of:environment:pool:offerAt:)``; its own version is not looked at. That is
    /// so also where it is current already: the pointer file is written again.
    ///
    /// The catalog is to follow in the same transaction: ``AssetQueries/point(_:of:environment:)``. Moving a
    /// thousand takes tens of milliseconds.
    ///
    /// - Parameter above: a greater version than ours that was found in the lake's pointer file, which
    ///   nothing at or below it could replace.
    public func point(
        _ snapshot: SnapshotReference, of asset: AssetName, environment: String, pool: String, offerAt: Date, above: Int = 0
    ) throws -> SnapshotReference {
        var snapshot = snapshot
        if snapshot.home == environment { snapshot.home = nil }
        guard snapshot.home.map({ isPlainName($0) }) ?? true else {
            throw StoreError.failed("'\(snapshot.home ?? "")' is no environment that a snapshot could lie in")
        }
        let moved = try move(
            to: snapshot, above: above, of: asset, environment: environment, pool: pool, offerAt: offerAt)
        try session.change(
            """
            INSERT INTO pointer_move (environment, asset, version, snapshot, location, home, moved_at, above)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                environment, asset.description, moved.version, moved.id.description, moved.location, moved.home,
                session.now.milliseconds, above > 0 ? above : nil,
            ])
        return moved
    }

    private func move(
        to snapshot: SnapshotReference, above: Int, of asset: AssetName, environment: String, pool: String, offerAt: Date
    ) throws -> SnapshotReference {
        let row = try session.row(
            """
            INSERT INTO publication (environment, asset, pool, snapshot, version, location, accepted_at, offer_at, home)
            VALUES (?1, ?2, ?3, ?4, 1 + max(?9, \(Self.versionFloor)), ?5, ?6, ?7, ?8)
            ON CONFLICT (environment, asset) DO UPDATE SET pool = ?3, snapshot = ?4,
                version = 1 + max(version, ?9, \(Self.versionFloor)),
                location = ?5, accepted_at = ?6, offer_at = ?7, offers = 0, confirmed_at = NULL, home = ?8
            RETURNING snapshot, version, location, home
            """,
            [
                environment, asset.description, pool, snapshot.id.description, snapshot.location, session.now.milliseconds,
                offerAt.milliseconds, snapshot.home, above,
            ])
        guard let row else { throw StoreError.failed("the version of \(asset) was not returned") }
        return try Self.reference(row)
    }

    private static let versionFloor = "coalesce((SELECT max(version_floor) FROM restoration), 0)"

    /// An agent of `pool` has moved the pointer file. What is not the newest snapshot, or confirmed
    /// already, changes nothing.
    ///
    /// - Returns: the run that made the snapshot; `nil` where nothing changed.
    public func confirm(_ publication: AgentAPI.Publication, pool: String) throws -> ID<Run>? {
        let changes = try session.change(
            """
            UPDATE publication SET confirmed_at = ?, offer_at = NULL
            WHERE environment = ? AND asset = ? AND pool = ? AND snapshot = ? AND version = ? AND confirmed_at IS NULL
            """,
            [
                session.now.milliseconds, publication.environment, publication.asset.description, pool,
                publication.snapshot.id.description, publication.snapshot.version,
            ])
        guard changes > 0 else { return nil }
        return try session.row("SELECT run FROM attempt WHERE snapshot = ?", [publication.snapshot.id.description])?.id("run")
    }

    /// Assets whose current snapshot is the run's and whose pointer files no agent has confirmed; sorted.
    public func unconfirmed(of run: ID<Run>) throws -> [AssetName] {
        try session.rows(
            """
            SELECT p.asset FROM attempt a
            JOIN publication p ON p.environment = a.environment AND p.asset = a.output AND p.snapshot = a.snapshot
            WHERE a.run = ? AND p.confirmed_at IS NULL ORDER BY p.asset
            """, [run.description]
        ).compactMap { AssetName($0["asset"] as String) }
    }

    /// Unconfirmed ones whose time has come. Each is put off by `delay`, doubled with each offer up to
    /// sixteen times, so that an agent that cannot move a pointer is not asked in a hot loop.
    public func offer(pool: String, delay: Duration, limit: Int) throws -> [AgentAPI.Publication] {
        let due = try session.rows(Self.dueSQL, [pool, session.now.milliseconds, limit])
        let delay = delay.components.seconds * 1000 + delay.components.attoseconds / 1_000_000_000_000_000
        return try due.compactMap { row in
            let (environment, asset): (String, String) = (row["environment"], row["asset"])
            try session.change(
                """
                UPDATE publication SET offer_at = ?1 + (?2 << min(offers, 4)), offers = offers + 1
                WHERE environment = ?3 AND asset = ?4
                """,
                [session.now.milliseconds, delay, environment, asset])
            return try AssetName(asset).map {
                AgentAPI.Publication(
                    environment: environment, asset: $0, snapshot: try Self.reference(row),
                    storage: try session.environments.storage(of: environment))
            }
        }
    }

    static let dueSQL = """
        SELECT * FROM publication WHERE pool = ? AND offer_at IS NOT NULL AND offer_at <= ? ORDER BY offer_at LIMIT ?
        """

    private static func reference(_ row: Row) throws -> SnapshotReference {
        SnapshotReference(
            id: try row.id("snapshot"), version: row["version"], location: row["location"], home: row["home"])
    }
}
