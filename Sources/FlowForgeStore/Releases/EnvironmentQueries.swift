public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

public struct EnvironmentRow: Sendable, Hashable {
    public var name: String
    /// The agent pool that runs the environment's tasks, but for those that ask for another.
    public var pool: String
    /// Values of bundle variables, by name: what the declaration's layers and the overrides come to.
    public var variables: [String: JSONValue]
    public var createdAt: Date
    public var createdBy: String
    public var spec: EnvironmentSpec
    public var overrides: [String: JSONValue] = [:]
    public var serial: Int = 1
    public var expiresAt: Date?
    public var organisation = Scope.defaultName
    public var project: String { spec.project ?? Scope.defaultName }

    public init(_ spec: EnvironmentSpec, createdAt: Date, createdBy: String) {
        name = spec.name
        pool = spec.pool
        variables = EffectiveConfig(spec.config).values
        self.createdAt = createdAt
        self.createdBy = createdBy
        self.spec = spec
        expiresAt = spec.expiresAt
    }

    /// What a release that is applied now would be applied with.
    public var releaseConfig: ReleaseConfig {
        ReleaseConfig(pool: pool, variables: variables, credentials: spec.credentials, pools: spec.pools)
    }

    public func isExpired(at now: Date) -> Bool { expiresAt.map { $0 <= now } ?? false }
}

extension Session {
    public var environments: EnvironmentQueries { EnvironmentQueries(session: self) }
}

public struct EnvironmentQueries {
    public let session: Session

    public func find(_ name: String) throws -> EnvironmentRow? {
        try session.row("SELECT * FROM environment WHERE name = ?", [name]).map(EnvironmentRow.init).flatMap { row in
            session.scope.includes(organisation: row.organisation, project: row.project) ? row : nil
        }
    }

    /// By name, those after `after`.
    public func list(after: String?, limit: Int) throws -> [EnvironmentRow] {
        try session.rows(
            "SELECT * FROM environment WHERE name > ?\(session.inScope("name")) ORDER BY name LIMIT ?", [after ?? "", limit]
        ).map(EnvironmentRow.init)
    }

    /// In the scope's organisation, or `default`; its pools become that organisation's if they are nobody's.
    /// Throws ``APIError`` `conflict` when the name, or a pool, is another's.
    @discardableResult
    public func insert(_ spec: EnvironmentSpec, by creator: String) throws -> EnvironmentRow {
        var row = EnvironmentRow(
            spec, createdAt: Date(milliseconds: session.now.milliseconds), createdBy: creator)
        row.organisation = session.scope.organisation ?? Scope.defaultName
        try requireFree(spec.name)
        for pool in spec.allPools { try session.organisations.claim(pool: pool, for: row.organisation) }
        try session.change(
            """
            INSERT INTO environment (name, pool, variables, created_at, created_by, spec, expires_at, organisation, project)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                row.name, row.pool, try jsonText(row.variables), session.now.milliseconds, creator, try jsonText(spec),
                spec.expiresAt?.milliseconds, row.organisation, row.project,
            ])
        return row
    }

    /// Names of the lake's roots by layer; `nil` where none is named.
    public func storage(of name: String) throws -> [String: String]? {
        let row = try session.row(
            "SELECT nullif(json_extract(spec, '$.storage'), '{}') AS storage FROM environment WHERE name = ?", [name])
        return try row?.optionalJSON([String: String].self, "storage")
    }

    /// Throws ``APIError`` `conflict` for a name that is taken, in whatever scope.
    public func requireFree(_ name: String) throws {
        if try session.exists("SELECT 1 FROM environment WHERE name = ?", [name]) { throw APIError.taken("environment", name) }
    }

    /// Replaces the declaration and the overrides, and counts the serial on. Throws
    /// ``StoreError/conflict(_:)`` when the environment has changed since `row` was read.
    public func update(_ row: EnvironmentRow, spec: EnvironmentSpec, overrides: [String: JSONValue]) throws -> EnvironmentRow {
        var new = EnvironmentRow(spec, createdAt: row.createdAt, createdBy: row.createdBy)
        new.overrides = overrides
        new.organisation = row.organisation
        for pool in spec.allPools { try session.organisations.claim(pool: pool, for: row.organisation) }
        new.variables = EffectiveConfig(spec.config, overrides: overrides).values
        new.serial = row.serial + 1
        try session.change(
            """
            UPDATE environment SET pool = ?, variables = ?, spec = ?, overrides = ?, expires_at = ?, serial = serial + 1
            WHERE name = ? AND serial = ?
            """,
            [
                new.pool, try jsonText(new.variables), try jsonText(spec), try jsonText(overrides),
                spec.expiresAt?.milliseconds, row.name, row.serial,
            ])
        try session.requireOneChange("environment \(row.name) has changed meanwhile")
        return new
    }

    /// Something of it has changed that is kept elsewhere: a release.
    public func touch(_ name: String) throws {
        try session.change("UPDATE environment SET serial = serial + 1 WHERE name = ?", [name])
        try session.requireOneChange("environment \(name) is gone")
    }

    /// Environments that have `name` as an upstream, in the order of their names; of its organisation, as
    /// upstreams are.
    public func downstream(of name: String) throws -> [String] {
        try session.rows("SELECT * FROM environment ORDER BY name").map(EnvironmentRow.init)
            .filter { $0.spec.upstream.contains { $0.environment == name } }.map(\.name)
    }
}

extension EnvironmentRow {
    fileprivate init(_ row: Row) throws {
        let (pool, variables): (String, [String: JSONValue]) = (row["pool"], try row.json([String: JSONValue].self, "variables"))
        let spec =
            try row.optionalJSON(EnvironmentSpec.self, "spec")
            ?? EnvironmentSpec(
                name: row["name"], pool: pool,
                config: variables.isEmpty ? [] : [.init(name: "environment", values: variables.mapValues { ConfigValue($0) })])
        self.init(spec, createdAt: Date(milliseconds: row["created_at"]), createdBy: row["created_by"])
        self.variables = variables
        organisation = row["organisation"]
        overrides = try row.json([String: JSONValue].self, "overrides")
        serial = row["serial"]
        expiresAt = row.date("expires_at")
    }
}
