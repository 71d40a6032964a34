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
            "SELECT snapshot, version, location FROM publication WHERE environment = ? AND asset = ?",
            [environment, asset.description]
        ).map(Self.reference)
    }

    /// Makes a snapshot the current one, with the version after the last (after a restoration one above
    /// its floor: the lake may have seen versions that are not known here). The pool's polls offer it
    /// from `offerAt` on until it is confirmed.
    public func publish(
        _ snapshot: ID<Snapshot>, location: String, of asset: AssetName, environment: String, pool: String, offerAt: Date
    ) throws -> SnapshotReference {
        let row = try session.row(
            """
            INSERT INTO publication (environment, asset, pool, snapshot, version, location, accepted_at, offer_at)
            VALUES (?1, ?2, ?3, ?4, 1 + \(Self.versionFloor), ?5, ?6, ?7)
            ON CONFLICT (environment, asset) DO UPDATE SET pool = ?3, snapshot = ?4,
                version = 1 + max(version, \(Self.versionFloor)),
                location = ?5, accepted_at = ?6, offer_at = ?7, offers = 0, confirmed_at = NULL
            RETURNING snapshot, version, location
            """,
            [
                environment, asset.description, pool, snapshot.description, location, session.now.milliseconds,
                offerAt.milliseconds,
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
                AgentAPI.Publication(environment: environment, asset: $0, snapshot: try Self.reference(row))
            }
        }
    }

    static let dueSQL = """
        SELECT * FROM publication WHERE pool = ? AND offer_at IS NOT NULL AND offer_at <= ? ORDER BY offer_at LIMIT ?
        """

    private static func reference(_ row: Row) throws -> SnapshotReference {
        SnapshotReference(id: try row.id("snapshot"), version: row["version"], location: row["location"])
    }
}
