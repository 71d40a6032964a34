public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A short-lived token of a principal; the token itself is not kept, only its SHA-256.
public struct ShortTokenRow: Sendable, Hashable {
    public var id: ID<ShortToken>
    public var principal: ID<Principal>
    public var name: String
    public var role: Role
    public var confinement: TokenConfinement
    public var createdAt: Date
    public var expiresAt: Date
    public var revokedAt: Date?

    public init(
        id: ID<ShortToken>, principal: ID<Principal>, name: String, role: Role, confinement: TokenConfinement, createdAt: Date,
        expiresAt: Date
    ) {
        self.id = id
        self.principal = principal
        self.name = name
        self.role = role
        self.confinement = confinement
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    /// `principal` is the name of the one that it acts for.
    public func view(of principal: String) -> OperatorAPI.TokenView {
        OperatorAPI.TokenView(
            id: id, principal: principal, name: name, role: role, environments: confinement.environments?.sorted(),
            allow: confinement.actions?.sorted { $0.rawValue < $1.rawValue }, createdAt: createdAt, expiresAt: expiresAt,
            revoked: revokedAt != nil)
    }
}

extension Session {
    public var shortTokens: ShortTokenQueries { ShortTokenQueries(session: self) }
}

public struct ShortTokenQueries {
    let session: Session

    public func insert(_ row: ShortTokenRow, tokenHash: Data) throws {
        try session.change(
            """
            INSERT INTO short_token (id, principal, name, role, token_hash, environments, actions, created_at, expires_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                row.id.description, row.principal.description, row.name, row.role.rawValue, tokenHash,
                try row.confinement.environments.map { try jsonText($0.sorted()) },
                try row.confinement.actions.map { try jsonText($0.map(\.rawValue).sorted()) },
                row.createdAt.milliseconds, row.expiresAt.milliseconds,
            ])
    }

    public func find(tokenHash: Data) throws -> ShortTokenRow? {
        try session.row("SELECT * FROM short_token WHERE token_hash = ?", [tokenHash]).map(ShortTokenRow.init)
    }

    public func find(_ id: ID<ShortToken>) throws -> ShortTokenRow? {
        try session.row("SELECT * FROM short_token WHERE id = ?", [id.description]).map(ShortTokenRow.init)
    }

    /// Of the principal, or of all in scope, with the principal's name; by age, those behind `after`.
    public func list(
        of principal: ID<Principal>?, after: ID<ShortToken>?, limit: Int
    ) throws -> [(row: ShortTokenRow, principal: String)] {
        try session.rows(
            """
            SELECT t.*, p.name AS principal_name FROM short_token t JOIN principal p ON p.id = t.principal
            WHERE (?1 IS NULL OR t.principal = ?1) AND t.id > ?2\(session.principals.scoped) ORDER BY t.id LIMIT ?3
            """, [principal?.description, after?.description ?? "", limit]
        ).map { (try ShortTokenRow($0), $0["principal_name"]) }
    }

    /// Of the principal, those that still let somebody in.
    public func active(of principal: ID<Principal>) throws -> Int {
        try session.row(
            """
            SELECT count(*) AS count FROM short_token
            WHERE principal = ? AND expires_at > ? AND revoked_at IS NULL
            """, [principal.description, session.now.milliseconds])?["count"] ?? 0
    }

    /// Throws ``StoreError/conflict(_:)`` unless the token exists and was not revoked before.
    public func revoke(_ id: ID<ShortToken>) throws {
        try session.change(
            "UPDATE short_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            [session.now.milliseconds, id.description])
        try session.requireOneChange("token \(id) is not there or was revoked before")
    }

    /// Every token of the principal.
    public func revokeAll(of principal: ID<Principal>) throws {
        try session.change(
            "UPDATE short_token SET revoked_at = ? WHERE principal = ? AND revoked_at IS NULL",
            [session.now.milliseconds, principal.description])
    }

    /// Removes up to `limit` of those that ended before `cutoff`. Returns how many.
    @discardableResult
    public func remove(endedBefore cutoff: Date, limit: Int) throws -> Int {
        try session.change(
            "DELETE FROM short_token WHERE id IN (SELECT id FROM short_token WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
            [cutoff.milliseconds, limit])
    }
}

extension ShortTokenRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), principal: try row.id("principal"), name: row["name"], role: try row.word("role"),
            confinement: TokenConfinement(
                environments: try row.optionalJSON(Set<String>.self, "environments"),
                actions: try row.optionalJSON(Set<TokenAction>.self, "actions")),
            createdAt: Date(milliseconds: row["created_at"]), expiresAt: Date(milliseconds: row["expires_at"]))
        revokedAt = row.date("revoked_at")
    }
}
