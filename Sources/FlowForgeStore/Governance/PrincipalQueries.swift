public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A holder of one API token. The token itself is not kept, only its SHA-256.
public struct PrincipalRow: Sendable {
    public var id: ID<Principal>
    public var name: String
    public var role: Role
    public var createdAt: Date
    public var expiresAt: Date?
    public var revokedAt: Date?
    /// Absent: the whole control plane.
    public var organisation: String?
    /// Absent: every project of the organisation.
    public var projects: [String]?

    public var scope: Scope {
        guard let organisation else { return .platform }
        return Scope(organisation: organisation, projects: projects.map { Set($0) }, holder: Actor.principal(name).description)
    }

    public var view: OperatorAPI.PrincipalView {
        OperatorAPI.PrincipalView(
            id: id, name: name, role: role, createdAt: createdAt, expiresAt: expiresAt, revoked: revokedAt != nil,
            organisation: organisation, projects: projects)
    }
}

public struct PrincipalQueries {
    let session: Session

    /// Throws ``StoreError/conflict(_:)`` when a principal of that name exists and is not revoked.
    public func insert(
        _ id: ID<Principal>, name: String, role: Role, tokenHash: Data, expiresAt: Date?, organisation: String? = nil,
        projects: [String]? = nil, by actor: Actor
    ) throws {
        try session.db.execute(
            sql: """
                INSERT INTO principal (id, name, role, token_hash, created_at, created_by, expires_at, organisation, projects)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                id.description, name, role.rawValue, tokenHash, session.now.milliseconds, actor.description,
                expiresAt?.milliseconds, organisation, try projects.map(jsonText),
            ])
    }

    public func find(_ id: ID<Principal>) throws -> PrincipalRow? {
        try fetch("id = ?\(scoped)", [id.description]).first
    }

    public func find(tokenHash: Data) throws -> PrincipalRow? {
        try fetch("token_hash = ?", [tokenHash]).first
    }

    public func findActive(name: String) throws -> PrincipalRow? {
        try fetch("name = ? AND revoked_at IS NULL", [name]).first
    }

    /// Sorted by id, so by age; starts behind `after`.
    public func list(after: ID<Principal>? = nil, limit: Int) throws -> [PrincipalRow] {
        try fetch("id > ?\(scoped) ORDER BY id LIMIT ?", [after?.description ?? "", limit])
    }

    /// Those whose scope is within that of the session.
    var scoped: String {
        guard let projects = session.scope.projects else { return session.inOrganisation() }
        let names = projects.sorted().map(Session.quoted).joined(separator: ", ")
        return session.inOrganisation()
            + " AND projects IS NOT NULL AND NOT EXISTS (SELECT 1 FROM json_each(projects) WHERE value NOT IN (\(names)))"
    }

    /// Owners of the whole control plane that can still sign in at the time of the operation.
    public func activeOwners() throws -> Int {
        try Int.fetchOne(
            session.db,
            sql: """
                SELECT count(*) FROM principal
                WHERE role = 'owner' AND organisation IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
                """, arguments: [session.now.milliseconds]) ?? 0
    }

    /// Throws ``StoreError/conflict(_:)`` unless the principal exists and was not revoked before.
    public func revoke(_ id: ID<Principal>) throws {
        try session.db.execute(
            sql: "UPDATE principal SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            arguments: [session.now.milliseconds, id.description])
        try session.requireOneChange("principal \(id) is not there or was revoked before")
    }

    private func fetch(_ condition: String, _ arguments: StatementArguments) throws -> [PrincipalRow] {
        try Row.fetchAll(
            session.db,
            sql:
                "SELECT id, name, role, created_at, expires_at, revoked_at, organisation, projects FROM principal WHERE \(condition)",
            arguments: arguments
        ).map { row in
            PrincipalRow(
                id: try row.id("id"), name: row["name"], role: Role(rawValue: row["role"]) ?? .unknown,
                createdAt: Date(milliseconds: row["created_at"]), expiresAt: row.date("expires_at"),
                revokedAt: row.date("revoked_at"),
                organisation: row["organisation"], projects: try row.optionalJSON([String].self, "projects"))
        }
    }
}

extension Session {
    public var principals: PrincipalQueries { PrincipalQueries(session: self) }
}
