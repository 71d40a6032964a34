internal import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation
internal import GRDB

public struct OrganisationRow: Sendable, Hashable {
    public var name: String
    public var createdAt: Date
    public var createdBy: String
}

public struct ProjectRow: Sendable, Hashable {
    public var organisation: String
    public var name: String
    public var createdAt: Date
    public var createdBy: String
}

extension Session {
    public var organisations: OrganisationQueries { OrganisationQueries(session: self) }
}

/// Organisations, their projects, and what belongs to them by name: pools and blobs.
public struct OrganisationQueries {
    let session: Session

    /// By name, those after `after`, of the scope.
    public func list(after: String?, limit: Int) throws -> [OrganisationRow] {
        try session.rows(
            "SELECT * FROM organisation WHERE name > ?\(session.inOrganisation("name")) ORDER BY name LIMIT ?",
            [after ?? "", limit]
        ).map {
            OrganisationRow(name: $0["name"], createdAt: Date(milliseconds: $0["created_at"]), createdBy: $0["created_by"])
        }
    }

    public func exists(_ name: String) throws -> Bool {
        try session.exists("SELECT 1 FROM organisation WHERE name = ?\(session.inOrganisation("name"))", [name])
    }

    /// With its project `default`. Throws ``StoreError/conflict(_:)`` where the name is taken.
    public func insert(_ name: String, by creator: String) throws -> OrganisationRow {
        try session.change(
            "INSERT INTO organisation (name, created_at, created_by) VALUES (?, ?, ?)",
            [name, session.now.milliseconds, creator])
        _ = try insertProject(Scope.defaultName, of: name, by: creator)
        return OrganisationRow(name: name, createdAt: Date(milliseconds: session.now.milliseconds), createdBy: creator)
    }

    // MARK: Projects

    /// By organisation and name, those behind `after` (`organisation/name`), of the scope.
    public func projects(of organisation: String?, after: String?, limit: Int) throws -> [ProjectRow] {
        let projects =
            session.scope.projects.map { " AND name IN (\($0.sorted().map(Session.quoted).joined(separator: ", ")))" } ?? ""
        let mark = (after ?? "/").split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return try session.rows(
            """
            SELECT * FROM project WHERE (?1 IS NULL OR organisation = ?1) AND (organisation, name) > (?2, ?3)\
            \(session.inOrganisation())\(projects) ORDER BY organisation, name LIMIT ?4
            """, [organisation, mark[0], mark.count > 1 ? mark[1] : "", limit]
        ).map {
            ProjectRow(
                organisation: $0["organisation"], name: $0["name"], createdAt: Date(milliseconds: $0["created_at"]),
                createdBy: $0["created_by"])
        }
    }

    /// Whether there is one that the scope includes.
    public func hasProject(_ name: String, of organisation: String) throws -> Bool {
        guard session.scope.includes(organisation: organisation, project: name) else { return false }
        return try session.exists("SELECT 1 FROM project WHERE organisation = ? AND name = ?", [organisation, name])
    }

    /// Throws ``StoreError/conflict(_:)`` where the organisation has one of the name.
    public func insertProject(_ name: String, of organisation: String, by creator: String) throws -> ProjectRow {
        try session.change(
            "INSERT INTO project (organisation, name, created_at, created_by) VALUES (?, ?, ?, ?)",
            [organisation, name, session.now.milliseconds, creator])
        return ProjectRow(
            organisation: organisation, name: name, createdAt: Date(milliseconds: session.now.milliseconds), createdBy: creator)
    }

    // MARK: Pools

    /// Makes the pool the organisation's, unless it is somebody's. Throws ``APIError`` `conflict` where it is
    /// another's.
    public func claim(pool: String, for organisation: String) throws {
        let owner = try owner(ofPool: pool)
        guard let owner else {
            try session.change("INSERT INTO pool (name, organisation) VALUES (?, ?)", [pool, organisation])
            return
        }
        guard owner == organisation else { throw APIError.taken("pool", pool) }
    }

    public func owner(ofPool pool: String) throws -> String? {
        try session.value(String.self, "SELECT organisation FROM pool WHERE name = ?", [pool])
    }

    // MARK: Blobs

    /// Notes that the scope's organisation has pushed the blob, which `wasThere` before or was not.
    public func claim(blob digest: String, wasThere: Bool) throws {
        guard let organisation = session.scope.organisation else { return }
        if try wasThere && !isNoted(digest) { try note(digest, of: Scope.defaultName) }
        try note(digest, of: organisation)
    }

    /// Notes what a bundle of `default` is made of, as far as others have pushed the same.
    public func share(blobs: [String]) throws {
        guard session.scope.isPlatform else { return }
        for digest in blobs where try isNoted(digest) { try note(digest, of: Scope.defaultName) }
    }

    private func isNoted(_ digest: String) throws -> Bool {
        try session.exists("SELECT 1 FROM blob_owner WHERE digest = ? LIMIT 1", [digest])
    }

    private func note(_ digest: String, of organisation: String) throws {
        try session.change(
            "INSERT INTO blob_owner (digest, organisation) VALUES (?, ?) ON CONFLICT DO NOTHING", [digest, organisation])
    }

    /// The first that the scope's organisation has not pushed, and that is not of evidence about its bundles.
    public func firstForeign(of blobs: [String]) throws -> String? {
        guard let organisation = session.scope.organisation else { return nil }
        return try blobs.first { digest in
            if try session.exists("SELECT 1 FROM blob_owner WHERE digest = ? AND organisation = ?", [digest, organisation]) {
                return false
            }
            if organisation == Scope.defaultName, try !isNoted(digest) { return false }
            return try !session.exists(
                """
                SELECT 1 FROM referrer r JOIN bundle b ON b.digest = r.subject
                WHERE (r.digest = ?1 OR r.envelope = ?1) AND b.organisation = ?2 LIMIT 1
                """, [digest, organisation])
        }
    }
}
