public import FlowForgeBundle
internal import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A pushed bundle, without its manifest (``BundleQueries/manifest(digest:)``).
public struct BundleRow: Sendable, Hashable {
    /// Grows with each push; the order of lists.
    public var number: Int64
    public var reference: BundleReference
    public var description: String
    /// Of all blobs together.
    public var bytes: Int64
    public var pushedAt: Date
    public var pushedBy: String
    public var yank: BundleYank?
    /// When its content was removed; what is left is its name.
    public var removedAt: Date?
}

/// That a version was withdrawn: what is released of it runs on, and it is released nowhere anew.
public struct BundleYank: Sendable, Hashable {
    public var at: Date
    public var by: String
    public var reason: String
}

extension Session {
    public var bundles: BundleQueries { BundleQueries(session: self) }
}

public struct BundleQueries {
    let session: Session
    static let columns = """
        number, digest, name, version, description, bytes, pushed_at, pushed_by, yanked_at, yanked_by, yank_reason, removed_at
        """

    public func find(digest: String) throws -> BundleRow? {
        try one("digest = ?", [digest])
    }

    public func find(name: String, version: String) throws -> BundleRow? {
        try one("name = ? AND version = ?", [name, version])
    }

    /// At most `limit` bundles whose digest begins with `prefix` (`sha256:` and hexadecimal digits,
    /// checked by the caller).
    public func matching(digestPrefix prefix: String, limit: Int) throws -> [BundleRow] {
        try Row.fetchAll(
            session.db,
            sql:
                "SELECT \(Self.columns) FROM bundle WHERE digest >= ? AND digest < ?\(session.inOrganisation()) ORDER BY digest LIMIT ?",
            arguments: [prefix, prefix + "g", limit]
        ).map(BundleRow.init)
    }

    /// Newest push first, those before `number`, without those that were removed.
    public func list(before number: Int64?, limit: Int) throws -> [BundleRow] {
        try Row.fetchAll(
            session.db,
            sql: """
                SELECT \(Self.columns) FROM bundle WHERE number < ? AND removed_at IS NULL\(session.inOrganisation())
                ORDER BY number DESC LIMIT ?
                """,
            arguments: [number ?? Int64.max, limit]
        ).map(BundleRow.init)
    }

    /// The validated manifest, as it stood in the bundle's config blob.
    public func manifest(digest: String) throws -> Manifest? {
        try session.caches.manifests.value(
            digest, { try session.value(String.self, "SELECT manifest FROM bundle WHERE digest = ?", [digest]) },
            { try fromJSON(Manifest.self, $0) })
    }

    /// What the bundle's `flowforge.lock` says; `nil` where it has none.
    public func lock(digest: String) throws -> BundleLock? {
        try session.caches.locks.value(
            digest, { try session.value(String.self, "SELECT lock FROM bundle_lock WHERE digest = ?", [digest]) },
            { try fromJSON(BundleLock.self, $0) })
    }

    /// The organisation whose bundles have the name.
    public func owner(ofName name: String) throws -> String? {
        try session.value(String.self, "SELECT organisation FROM bundle WHERE name = ? LIMIT 1", [name])
    }

    /// In the scope's organisation, or `default`. Throws ``StoreError/conflict(_:)`` when the digest, or the name and
    /// version, are taken, and ``APIError`` `conflict` when the name is another organisation's.
    @discardableResult
    public func insert(
        digest: String, manifest: Manifest, lock: BundleLock? = nil, bytes: Int64, by pusher: String
    ) throws -> BundleRow {
        let organisation = session.scope.organisation ?? Scope.defaultName
        guard try owner(ofName: manifest.name) ?? organisation == organisation else {
            throw APIError.taken("bundle", manifest.name)
        }
        try session.db.execute(
            sql: """
                INSERT INTO bundle (digest, name, version, description, manifest, bytes, pushed_at, pushed_by, organisation)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                digest, manifest.name, manifest.version, manifest.description, try jsonText(manifest), bytes,
                session.now.milliseconds, pusher, organisation,
            ])
        let number = session.db.lastInsertedRowID
        if let lock {
            try session.change("INSERT INTO bundle_lock (digest, lock) VALUES (?, ?)", [digest, try jsonText(lock)])
        }
        return BundleRow(
            number: number,
            reference: BundleReference(name: manifest.name, version: manifest.version, digest: digest),
            description: manifest.description, bytes: bytes, pushedAt: Date(milliseconds: session.now.milliseconds),
            pushedBy: pusher, yank: nil, removedAt: nil)
    }

    private func one(_ condition: String, _ arguments: StatementArguments) throws -> BundleRow? {
        try Row.fetchOne(
            session.db, sql: "SELECT \(Self.columns) FROM bundle WHERE \(condition)\(session.inOrganisation())",
            arguments: arguments
        ).map(BundleRow.init)
    }
}

extension BundleRow {
    init(_ row: Row) {
        let yankedAt: Int64? = row["yanked_at"]
        let removedAt: Int64? = row["removed_at"]
        self.init(
            number: row["number"],
            reference: BundleReference(name: row["name"], version: row["version"], digest: row["digest"]),
            description: row["description"], bytes: row["bytes"], pushedAt: Date(milliseconds: row["pushed_at"]),
            pushedBy: row["pushed_by"],
            yank: yankedAt.map {
                BundleYank(at: Date(milliseconds: $0), by: row["yanked_by"] ?? "", reason: row["yank_reason"] ?? "")
            },
            removedAt: removedAt.map { Date(milliseconds: $0) })
    }
}
