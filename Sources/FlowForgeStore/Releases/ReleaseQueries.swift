public import FlowForgeDomain
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
    /// What its runs see besides; absent from releases that are older than the field.
    public var config: ReleaseConfig?
    public var mode: ReleaseMode = .physical
    /// What made it; absent where it was deployed without a plan.
    public var promotion: ID<Promotion>?
    /// When another took its place.
    public var endedAt: Date?
}

/// Where a table pointed.
public struct ReleasePointer: Sendable, Hashable {
    public var asset: AssetName
    public var snapshot: ID<Snapshot>
    public var location: String
    /// The environment in whose folder the snapshot lies.
    public var home: String

    public init(asset: AssetName, snapshot: ID<Snapshot>, location: String, home: String) {
        self.asset = asset
        self.snapshot = snapshot
        self.location = location
        self.home = home
    }
}

extension Session {
    public var releases: ReleaseQueries { ReleaseQueries(session: self) }
}

public struct ReleaseQueries {
    let session: Session
    private static let select = """
        SELECT release.id, environment, bundle.name, bundle.version, bundle.digest, serial, is_current,
            created_at, created_by, config, mode, promotion, ended_at
        FROM release JOIN bundle ON bundle.digest = bundle_digest
        """

    public func find(_ id: ID<Release>) throws -> ReleaseRow? {
        try session.seen(try session.row("\(Self.select) WHERE release.id = ?", [id.description]).map(ReleaseRow.init)) {
            $0.environment
        }
    }

    /// The current release of each bundle of the environment, by bundle name.
    public func current(environment: String) throws -> [ReleaseRow] {
        try session.rows("\(Self.select) WHERE environment = ? AND is_current = 1 ORDER BY bundle_name", [environment])
            .map(ReleaseRow.init)
    }

    public func current(environment: String, bundle name: String) throws -> ReleaseRow? {
        try session.row(
            "\(Self.select) WHERE environment = ? AND bundle_name = ? AND is_current = 1", [environment, name]
        ).map(ReleaseRow.init)
    }

    /// Newest first, those older than the release `before`.
    public func list(
        environment: String, bundle: String? = nil, before: ID<Release>? = nil, limit: Int
    ) throws -> [ReleaseRow] {
        try session.rows(
            """
            \(Self.select)
            WHERE environment = ?1 AND (?4 IS NULL OR bundle_name = ?4)
                AND release.number < coalesce((SELECT number FROM release WHERE id = ?2), 9223372036854775807)
            ORDER BY release.number DESC LIMIT ?3
            """, [environment, before?.description, limit, bundle]
        ).map(ReleaseRow.init)
    }

    /// Makes `bundle` the environment's current release of its name, and counts the environment's serial
    /// on. The bundle and the environment exist. Throws ``APIError`` `not_found` where they are of two organisations.
    public func insert(
        _ id: ID<Release>, environment: String, bundle: BundleReference, config: ReleaseConfig, mode: ReleaseMode = .physical,
        promotion: ID<Promotion>? = nil, by creator: String
    ) throws -> ReleaseRow {
        let isOwn = try session.exists(
            "SELECT 1 FROM bundle b JOIN environment e ON e.organisation = b.organisation WHERE b.digest = ? AND e.name = ?",
            [bundle.digest, environment])
        guard isOwn else {
            throw APIError(
                .notFound, "there is no bundle '\(bundle.name)@\(bundle.version)' in the organisation of '\(environment)'",
                hint: "push it as a principal of that organisation")
        }
        let last = try session.value(
            Int.self, "SELECT max(serial) FROM release WHERE environment = ? AND bundle_name = ?", [environment, bundle.name])
        let serial = (last ?? 0) + 1
        try end(environment: environment, bundle: bundle.name)
        try session.change(
            """
            INSERT INTO release (id, environment, bundle_name, bundle_digest, serial, is_current, created_at, created_by,
                config, mode, promotion)
            VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)
            """,
            [
                id.description, environment, bundle.name, bundle.digest, serial, session.now.milliseconds, creator,
                try jsonText(config), mode.rawValue, promotion?.description,
            ])
        try session.environments.touch(environment)
        return ReleaseRow(
            id: id, environment: environment, bundle: bundle, serial: serial, isCurrent: true,
            createdAt: Date(milliseconds: session.now.milliseconds), createdBy: creator, config: config, mode: mode,
            promotion: promotion)
    }

    /// The current release of the bundle, if there is one, is current no more.
    public func end(environment: String, bundle name: String) throws {
        try session.change(
            """
            UPDATE release SET is_current = 0, ended_at = ? WHERE environment = ? AND bundle_name = ? AND is_current = 1
            """, [session.now.milliseconds, environment, name])
    }

    /// Undoes ``insert(_:environment:bundle:config:mode:promotion:by:)``: `release`, which is the current one, was never
    /// there; `former` is current again.
    public func takeBack(_ release: ReleaseRow, former: ID<Release>?) throws {
        try session.change("DELETE FROM release_lineage WHERE release = ?", [release.id.description])
        try session.change("DELETE FROM release_pointer WHERE release = ?", [release.id.description])
        if try session.exists(
            "SELECT 1 FROM run WHERE environment = ? AND bundle_digest = ? AND release = ?",
            [release.environment, release.bundle.digest, release.id.description])
        {
            // Its runs name it: it stays as one that was.
            try session.change(
                "UPDATE release SET is_current = 0, ended_at = ? WHERE id = ? AND is_current = 1",
                [session.now.milliseconds, release.id.description])
        } else {
            try session.change("DELETE FROM release WHERE id = ? AND is_current = 1", [release.id.description])
        }
        try session.requireOneChange("release \(release.id) is no longer current")
        if let former {
            try session.change(
                "UPDATE release SET is_current = 1, ended_at = NULL WHERE id = ? AND is_current = 0", [former.description])
            try session.requireOneChange("release \(former) is gone")
        }
        try session.environments.touch(release.environment)
    }

    public func keepPointers(_ pointers: [ReleasePointer], of release: ID<Release>) throws {
        for pointer in pointers {
            try session.change(
                """
                INSERT INTO release_pointer (release, asset, snapshot, location, home) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (release, asset) DO UPDATE SET snapshot = excluded.snapshot, location = excluded.location,
                    home = excluded.home
                """,
                [
                    release.description, pointer.asset.description, pointer.snapshot.description, pointer.location,
                    pointer.home,
                ])
        }
    }

    /// By asset.
    public func pointers(of release: ID<Release>) throws -> [ReleasePointer] {
        try session.rows("SELECT * FROM release_pointer WHERE release = ? ORDER BY asset", [release.description]).map { row in
            let name: String = row["asset"]
            guard let asset = AssetName(name) else { throw StoreError.corrupt("column asset holds '\(name)'") }
            return ReleasePointer(
                asset: asset, snapshot: try row.id("snapshot"), location: row["location"], home: row["home"])
        }
    }

    // MARK: Lineage that a release declares

    /// Closes what held for the bundle in the environment and, if there is a release, opens its edges.
    public func openLineage(_ edges: [OperatorAPI.LineageEdge], of release: ReleaseRow) throws {
        try closeLineage(environment: release.environment, bundle: release.bundle.name)
        try session.change(
            "INSERT INTO release_lineage (environment, bundle, release, edges, valid_from) VALUES (?, ?, ?, ?, ?)",
            [
                release.environment, release.bundle.name, release.id.description, try jsonText(edges),
                session.now.milliseconds,
            ])
    }

    public func closeLineage(environment: String, bundle: String) throws {
        try session.change(
            "UPDATE release_lineage SET valid_to = ? WHERE environment = ? AND bundle = ? AND valid_to IS NULL",
            [session.now.milliseconds, environment, bundle])
    }

    /// Opens again what `release` had declared; for a promotion that is undone.
    public func reopenLineage(of release: ID<Release>) throws {
        try session.change(
            """
            UPDATE release_lineage SET valid_to = NULL
            WHERE id = (SELECT max(id) FROM release_lineage WHERE release = ?) AND valid_to IS NOT NULL
            """, [release.description])
    }

    /// The edges that held at a time, of every bundle of the environment; now, where none is given.
    public func lineage(environment: String, at time: Date? = nil) throws -> [OperatorAPI.LineageEdge] {
        let held = time == nil ? "valid_to IS NULL" : "valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)"
        return try session.rows(
            "SELECT id, release FROM release_lineage WHERE environment = ?1 AND \(held) ORDER BY bundle",
            [environment] + (time.map { [$0.milliseconds] } ?? [])
        ).flatMap { row in
            let id: Int64 = row["id"]
            return try session.caches.lineages.value(
                row["release"], { try session.value(String.self, "SELECT edges FROM release_lineage WHERE id = ?", [id]) },
                { try fromJSON([OperatorAPI.LineageEdge].self, $0) }) ?? []
        }
    }
}

extension ReleaseRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"],
            bundle: BundleReference(name: row["name"], version: row["version"], digest: row["digest"]),
            serial: row["serial"], isCurrent: row["is_current"], createdAt: Date(milliseconds: row["created_at"]),
            createdBy: row["created_by"], config: try row.optionalJSON(ReleaseConfig.self, "config"),
            mode: try row.word("mode"), promotion: try row.optionalID("promotion"), endedAt: row.date("ended_at"))
    }
}
