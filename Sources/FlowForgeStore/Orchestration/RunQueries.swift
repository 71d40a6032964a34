public import FlowForgeProtocol
internal import Foundation
internal import GRDB

extension Session {
    public var runs: RunQueries { RunQueries(session: self) }
}

public struct RunQueries {
    let session: Session

    /// Throws ``StoreError/conflict(_:)`` when the idempotency key is taken in the environment.
    public func insert(_ run: RunRow) throws {
        try session.change(
            """
            INSERT INTO run (id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, state,
                parameters, variables, idempotency_key, created_by, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                run.id.description, run.environment, run.pool, run.release.description, run.bundle.name,
                run.bundle.version, run.bundle.digest, run.flow, run.state.rawValue, try jsonText(run.parameters),
                try jsonText(run.variables), run.idempotencyKey, run.createdBy, run.createdAt.milliseconds,
            ])
    }

    public func find(_ id: ID<Run>) throws -> RunRow? {
        try session.row("SELECT * FROM run WHERE id = ?", [id.description]).map(RunRow.init)
    }

    public func find(environment: String, idempotencyKey: String) throws -> RunRow? {
        try session.row(
            "SELECT * FROM run WHERE environment = ? AND idempotency_key = ?", [environment, idempotencyKey]
        ).map(RunRow.init)
    }

    /// Newest first, those older than `before`.
    public func list(environment: String?, state: RunState?, before: ID<Run>?, limit: Int) throws -> [RunRow] {
        var arguments: [any DatabaseValueConvertible] = []
        if let environment { arguments.append(environment) }
        if let state { arguments.append(state.rawValue) }
        arguments += [before?.description ?? Self.newest, limit]
        let sql = Self.listSQL(byEnvironment: environment != nil, byState: state != nil)
        return try session.rows(sql, StatementArguments(arguments)).map(RunRow.init)
    }

    /// Sorts behind every id.
    private static let newest = "run`"

    static func listSQL(byEnvironment: Bool, byState: Bool) -> String {
        let conditions = (byEnvironment ? ["environment = ?"] : []) + (byState ? ["state = ?"] : []) + ["id < ?"]
        return "SELECT * FROM run WHERE \(conditions.joined(separator: " AND ")) ORDER BY id DESC LIMIT ?"
    }

    /// Moves a run that is in state `from`; throws ``StoreError/conflict(_:)`` when it is not. Its
    /// version grows; start and end are stamped.
    public func move(_ id: ID<Run>, from: RunState, to: RunState) throws {
        let now = session.now.milliseconds
        try session.change(
            """
            UPDATE run SET state = ?1, version = version + 1,
                started_at = CASE WHEN ?1 = 'running' THEN coalesce(started_at, ?2) ELSE started_at END,
                finished_at = CASE WHEN ?1 IN ('succeeded', 'failed', 'cancelled') THEN ?2 END
            WHERE id = ?3 AND state = ?4
            """,
            [to.rawValue, now, id.description, from.rawValue])
        try session.requireOneChange("run \(id) is no longer \(from.rawValue)")
    }

    /// Says that something of the run changed, for those who wait for a newer version of it.
    public func touch(_ id: ID<Run>) throws {
        try session.change("UPDATE run SET version = version + 1 WHERE id = ?", [id.description])
    }

    public func version(_ id: ID<Run>) throws -> Int64? {
        try session.row("SELECT version FROM run WHERE id = ?", [id.description])?["version"]
    }

    /// How many runs are in each state that is not final.
    public func active() throws -> [RunState: Int] {
        let rows = try session.rows(
            "SELECT state, count(*) AS runs FROM run WHERE state IN ('queued', 'running', 'cancelling') GROUP BY state")
        return Dictionary(try rows.map { (try $0.word("state"), $0["runs"]) }) { $1 }
    }
}
