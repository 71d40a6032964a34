public import FlowForgeProtocol
public import Foundation
internal import GRDB

public struct EnvironmentRow: Sendable, Hashable {
    public var name: String
    /// The agent pool that runs the environment's tasks.
    public var pool: String
    /// Values of bundle variables, by name.
    public var variables: [String: JSONValue]
    public var createdAt: Date
    public var createdBy: String
}

extension Session {
    public var environments: EnvironmentQueries { EnvironmentQueries(session: self) }
}

public struct EnvironmentQueries {
    let session: Session

    public func find(_ name: String) throws -> EnvironmentRow? {
        try Row.fetchOne(session.db, sql: "SELECT * FROM environment WHERE name = ?", arguments: [name])
            .map(EnvironmentRow.init)
    }

    /// By name, those after `after`.
    public func list(after: String?, limit: Int) throws -> [EnvironmentRow] {
        try Row.fetchAll(
            session.db, sql: "SELECT * FROM environment WHERE name > ? ORDER BY name LIMIT ?",
            arguments: [after ?? "", limit]
        ).map(EnvironmentRow.init)
    }

    /// Throws ``StoreError/conflict(_:)`` when the name is taken.
    @discardableResult
    public func insert(
        _ name: String, pool: String, variables: [String: JSONValue], by creator: String
    ) throws -> EnvironmentRow {
        try session.db.execute(
            sql: "INSERT INTO environment (name, pool, variables, created_at, created_by) VALUES (?, ?, ?, ?, ?)",
            arguments: [name, pool, try jsonText(variables), session.now.milliseconds, creator])
        return EnvironmentRow(
            name: name, pool: pool, variables: variables, createdAt: Date(milliseconds: session.now.milliseconds),
            createdBy: creator)
    }
}

extension EnvironmentRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            name: row["name"], pool: row["pool"],
            variables: try fromJSON([String: JSONValue].self, row["variables"]),
            createdAt: Date(milliseconds: row["created_at"]), createdBy: row["created_by"])
    }
}
