public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A join token; the token itself is not kept, only its SHA-256.
public struct JoinTokenRow: Sendable {
    public var id: ID<JoinToken>
    public var pool: String
    public var uses: Int
    public var used: Int
    public var createdAt: Date
    public var expiresAt: Date
    public var revokedAt: Date?

    public var view: OperatorAPI.JoinTokenView {
        OperatorAPI.JoinTokenView(
            id: id, pool: pool, uses: uses, used: used, createdAt: createdAt, expiresAt: expiresAt,
            revoked: revokedAt != nil)
    }
}

public struct JoinTokenQueries {
    let session: Session

    public func insert(
        _ id: ID<JoinToken>, tokenHash: Data, pool: String, uses: Int, expiresAt: Date, by actor: Actor
    ) throws {
        try session.db.execute(
            sql: """
                INSERT INTO join_token (id, token_hash, pool, uses, created_at, created_by, expires_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                id.description, tokenHash, pool, uses, session.now.milliseconds, actor.description, expiresAt.milliseconds,
            ])
    }

    public func find(tokenHash: Data) throws -> JoinTokenRow? { try fetch("token_hash = ?", [tokenHash]).first }

    public func find(_ id: ID<JoinToken>) throws -> JoinTokenRow? { try fetch("id = ?\(scoped)", [id.description]).first }

    /// Tokens are of whole organisations: whoever is confined to projects sees none.
    private var scoped: String { session.scope.isWholeOrganisation ? session.inScope(pool: "pool") : " AND 0" }

    /// Sorted by id, so by age; starts behind `after`.
    public func list(after: ID<JoinToken>? = nil, limit: Int) throws -> [JoinTokenRow] {
        try fetch("id > ?\(scoped) ORDER BY id LIMIT ?", [after?.description ?? "", limit])
    }

    /// Uses the token once. Throws ``StoreError/conflict(_:)`` when it has no use left, so that two
    /// joins at one time cannot share the last one.
    public func use(_ id: ID<JoinToken>) throws {
        try session.db.execute(
            sql: """
                UPDATE join_token SET used = used + 1
                WHERE id = ? AND used < uses AND revoked_at IS NULL AND expires_at > ?
                """, arguments: [id.description, session.now.milliseconds])
        try session.requireOneChange("join token \(id) has no use left")
    }

    /// Throws ``StoreError/conflict(_:)`` unless the token exists and was not revoked before.
    public func revoke(_ id: ID<JoinToken>) throws {
        try session.db.execute(
            sql: "UPDATE join_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            arguments: [session.now.milliseconds, id.description])
        try session.requireOneChange("join token \(id) is not there or was revoked before")
    }

    private func fetch(_ condition: String, _ arguments: StatementArguments) throws -> [JoinTokenRow] {
        try Row.fetchAll(
            session.db,
            sql: """
                SELECT id, pool, uses, used, created_at, expires_at, revoked_at FROM join_token WHERE \(condition)
                """, arguments: arguments
        ).map { row in
            JoinTokenRow(
                id: try row.id("id"), pool: row["pool"], uses: row["uses"], used: row["used"],
                createdAt: Date(milliseconds: row["created_at"]), expiresAt: Date(milliseconds: row["expires_at"]),
                revokedAt: row.date("revoked_at"))
        }
    }
}

extension Session {
    public var joinTokens: JoinTokenQueries { JoinTokenQueries(session: self) }
}
