public import FlowForgeDomain
public import FlowForgeProtocol
internal import Foundation
internal import GRDB

extension Session {
    public var runs: RunQueries { RunQueries(session: self) }
}

public struct RunQueries {
    let session: Session

    /// `openTasks` of the row is how many tasks are about to be inserted. Throws
    /// ``StoreError/conflict(_:)`` when the idempotency key is taken in the environment.
    public func insert(_ run: RunRow) throws {
        try session.change(
            """
            INSERT INTO run (id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, state,
                parameters, variables, idempotency_key, created_by, created_at, priority, cause, trigger_name,
                scheduled_for, rerun_of, backfill, max_runs, timeout, admitted_at, open_tasks, credentials)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                run.id.description, run.environment, run.pool, run.release.description, run.bundle.name,
                run.bundle.version, run.bundle.digest, run.flow, run.state.rawValue, try jsonText(run.parameters),
                try jsonText(run.variables), run.idempotencyKey, run.createdBy, run.createdAt.milliseconds,
                run.priority, run.origin.cause.rawValue, run.origin.trigger,
                run.origin.scheduledFor?.milliseconds, run.origin.rerunOf?.description,
                run.origin.backfill?.description, run.maxRuns,
                run.timeoutSeconds.map { Int64(($0 * 1000).rounded()) }, run.admittedAt?.milliseconds, run.openTasks,
                run.credentials.isEmpty ? nil : try jsonText(run.credentials),
            ])
    }

    public func find(_ id: ID<Run>) throws -> RunRow? {
        try session.seen(try session.first(RunRow.self, Self.findSQL, [id.description])) { $0.environment }
    }

    private static let findSQL = "SELECT \(RunRow.columns) FROM run WHERE id = ?"

    public func isAnyOpen(environment: String) throws -> Bool {
        try session.exists(
            "SELECT 1 FROM run INDEXED BY run_open_by_flow WHERE environment = ? AND finished_at IS NULL", [environment])
    }

    public func state(_ id: ID<Run>) throws -> RunState? {
        try session.value(String.self, "SELECT state FROM run WHERE id = ?", [id.description]).map {
            try StoreError.word($0, in: "run.state")
        }
    }

    public struct TaskCounts: Sendable, StoredRow {
        public var open: Int
        public var unsuccessful: Int

        static let columns = "open_tasks, unsuccessful_tasks"
        init(_ row: inout RowReader) throws { (open, unsuccessful) = (try row.next(), try row.next()) }
    }

    /// Its tasks that are not final, and those that are and did not succeed.
    public func taskCounts(_ id: ID<Run>) throws -> TaskCounts {
        let counts = try session.first(
            TaskCounts.self, "SELECT \(TaskCounts.columns) FROM run WHERE id = ?", [id.description])
        guard let counts else { throw StoreError.conflict("run \(id) is gone") }
        return counts
    }

    public func find(environment: String, idempotencyKey: String) throws -> RunRow? {
        try session.first(
            RunRow.self, "SELECT \(RunRow.columns) FROM run WHERE environment = ? AND idempotency_key = ?",
            [environment, idempotencyKey]
        )
    }

    /// Newest first, those older than `before`.
    public func list(environment: String?, state: RunState?, before: ID<Run>?, limit: Int) throws -> [RunRow] {
        var arguments: [any DatabaseValueConvertible] = []
        if let environment { arguments.append(environment) }
        if let state { arguments.append(state.rawValue) }
        arguments += [before?.description ?? Self.newest, limit]
        let sql = Self.listSQL(byEnvironment: environment != nil, byState: state != nil, scope: session.inScope("environment"))
        return try session.all(RunRow.self, sql, StatementArguments(arguments))
    }

    /// Sorts behind every id.
    private static let newest = "run`"

    static func listSQL(byEnvironment: Bool, byState: Bool, scope: String = "") -> String {
        let conditions = (byEnvironment ? ["environment = ?"] : []) + (byState ? ["state = ?"] : []) + ["id < ?"]
        return "SELECT \(RunRow.columns) FROM run WHERE \(conditions.joined(separator: " AND "))\(scope) ORDER BY id DESC LIMIT ?"
    }

    /// Moves a run from `run.state` to where its lifecycle has brought it; throws
    /// ``StoreError/conflict(_:)`` when it has moved meanwhile. Its version grows; start, deadline and
    /// end are stamped.
    public func move(_ run: RunRow, to lifecycle: RunLifecycle) throws {
        try session.change(
            """
            UPDATE run SET state = ?1, version = version + 1,
                started_at = CASE WHEN ?1 = 'running' THEN coalesce(started_at, ?2) ELSE started_at END,
                deadline_at = CASE WHEN ?1 = 'running' THEN coalesce(deadline_at, ?2 + timeout) ELSE deadline_at END,
                finished_at = CASE WHEN ?1 IN ('succeeded', 'failed', 'cancelled') THEN ?2 END,
                end_reason = ?5
            WHERE id = ?3 AND state = ?4
            """,
            [
                lifecycle.state.rawValue, session.now.milliseconds, run.id.description, run.state.rawValue,
                lifecycle.endReason?.rawValue,
            ])
        try session.requireOneChange("run \(run.id) is no longer \(run.state.rawValue)")
    }

    /// Running ones whose time is over, the longest first.
    public func overdue(limit: Int) throws -> [RunRow] {
        try session.all(RunRow.self, Self.overdueSQL, [session.now.milliseconds, limit])
    }

    static let overdueSQL = """
        SELECT \(RunRow.columns) FROM run INDEXED BY run_by_deadline
        WHERE deadline_at IS NOT NULL AND finished_at IS NULL AND deadline_at < ? AND state IN ('queued', 'running')
        ORDER BY deadline_at LIMIT ?
        """

    /// Runs of the flow that go on or may go on.
    public func admitted(_ flow: FlowReference) throws -> Int {
        let row = try session.row(
            """
            SELECT count(*) AS runs FROM run WHERE environment = ? AND bundle = ? AND flow = ?
                AND finished_at IS NULL AND admitted_at IS NOT NULL
            """, [flow.environment, flow.bundle, flow.flow])
        return row?["runs"] ?? 0
    }

    /// Runs of the flow that have not ended: those that go on or may, and those that wait for them.
    public func open(_ flow: FlowReference) throws -> (admitted: Int, waiting: Int) {
        let row = try session.row(
            """
            SELECT count(admitted_at) AS admitted, count(*) AS runs FROM run
            WHERE environment = ? AND bundle = ? AND flow = ? AND finished_at IS NULL
            """, [flow.environment, flow.bundle, flow.flow])
        let (admitted, all): (Int, Int) = (row?["admitted"] ?? 0, row?["runs"] ?? 0)
        return (admitted, all - admitted)
    }

    /// The run of the flow that may go on next: the most important, of equals the oldest.
    public func nextToAdmit(_ flow: FlowReference) throws -> RunRow? {
        try session.first(
            RunRow.self,
            """
            SELECT \(RunRow.columns) FROM run WHERE environment = ? AND bundle = ? AND flow = ?
                AND finished_at IS NULL AND admitted_at IS NULL AND state = 'queued'
            ORDER BY priority DESC, id LIMIT 1
            """, [flow.environment, flow.bundle, flow.flow]
        )
    }

    public func admit(_ id: ID<Run>) throws {
        try session.change(
            "UPDATE run SET admitted_at = ?, version = version + 1 WHERE id = ? AND admitted_at IS NULL",
            [session.now.milliseconds, id.description])
        try session.requireOneChange("run \(id) has been admitted")
    }

    /// Says that something of the run changed, for those who wait for a newer version of it.
    public func touch(_ id: ID<Run>) throws {
        try session.change("UPDATE run SET version = version + 1 WHERE id = ?", [id.description])
    }

    public func version(_ id: ID<Run>) throws -> Int64? {
        try session.row("SELECT version FROM run WHERE id = ?", [id.description])?["version"]
    }
}
