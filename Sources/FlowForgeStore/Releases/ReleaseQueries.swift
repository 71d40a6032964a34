public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// One deployment of a bundle to an environment.
public struct ReleaseRow: Sendable, Hashable {
    public var id: ID<Release>
    public var environment: String
    public var bundle: BundleReference
    /// Counts the releases of this bundle in this environment, from 1.
    public var serial: Int
    public var isCurrent: Bool
    public var createdAt: Date
    public var createdBy: String
}

extension Session {
    public var releases: ReleaseQueries { ReleaseQueries(session: self) }
}

public struct ReleaseQueries {
    let session: Session
    private static let select = """
        SELECT release.id, environment, bundle.name, bundle.version, bundle.digest, serial, is_current,
            created_at, created_by
        FROM release JOIN bundle ON bundle.digest = bundle_digest
        """

    public func find(_ id: ID<Release>) throws -> ReleaseRow? {
        try Row.fetchOne(session.db, sql: "\(Self.select) WHERE release.id = ?", arguments: [id.description])
            .map(ReleaseRow.init)
    }

    /// The current release of each bundle of the environment, by bundle name.
    public func current(environment: String) throws -> [ReleaseRow] {
        try Row.fetchAll(
            session.db, sql: "\(Self.select) WHERE environment = ? AND is_current = 1 ORDER BY bundle_name",
            arguments: [environment]
        ).map(ReleaseRow.init)
    }

    public func current(environment: String, bundle name: String) throws -> ReleaseRow? {
        try Row.fetchOne(
            session.db, sql: "\(Self.select) WHERE environment = ? AND bundle_name = ? AND is_current = 1",
            arguments: [environment, name]
        ).map(ReleaseRow.init)
    }

    /// Newest first, those older than the release `before`.
    public func list(environment: String, before: ID<Release>?, limit: Int) throws -> [ReleaseRow] {
        try Row.fetchAll(
            session.db,
            sql: """
                \(Self.select)
                WHERE environment = ?1
                    AND release.number < coalesce((SELECT number FROM release WHERE id = ?2), 9223372036854775807)
                ORDER BY release.number DESC LIMIT ?3
                """,
            arguments: [environment, before?.description, limit]
        ).map(ReleaseRow.init)
    }

    /// Makes `bundle` the environment's current release of its name. The bundle and the environment exist.
    public func insert(
        _ id: ID<Release>, environment: String, bundle: BundleReference, by creator: String
    ) throws -> ReleaseRow {
        let db = session.db
        let last = try Int.fetchOne(
            db, sql: "SELECT max(serial) FROM release WHERE environment = ? AND bundle_name = ?",
            arguments: [environment, bundle.name])
        let serial = (last ?? 0) + 1
        try db.execute(
            sql: "UPDATE release SET is_current = 0 WHERE environment = ? AND bundle_name = ? AND is_current = 1",
            arguments: [environment, bundle.name])
        try db.execute(
            sql: """
                INSERT INTO release (id, environment, bundle_name, bundle_digest, serial, is_current, created_at, created_by)
                VALUES (?, ?, ?, ?, ?, 1, ?, ?)
                """,
            arguments: [
                id.description, environment, bundle.name, bundle.digest, serial, session.now.milliseconds, creator,
            ])
        return ReleaseRow(
            id: id, environment: environment, bundle: bundle, serial: serial, isCurrent: true,
            createdAt: Date(milliseconds: session.now.milliseconds), createdBy: creator)
    }
}

extension ReleaseRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"],
            bundle: BundleReference(name: row["name"], version: row["version"], digest: row["digest"]),
            serial: row["serial"], isCurrent: row["is_current"], createdAt: Date(milliseconds: row["created_at"]),
            createdBy: row["created_by"])
    }
}
