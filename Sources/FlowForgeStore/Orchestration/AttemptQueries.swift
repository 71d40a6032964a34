internal import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var attempts: AttemptQueries { AttemptQueries(session: self) }
}

public struct AttemptQueries {
    let session: Session

    /// The pool's next fencing number, from 1 or from behind the last restoration's floor; it never goes back.
    public func nextFencing(pool: String) throws -> Int64 {
        let last = try session.value(
            Int64.self,
            """
            INSERT INTO fencing (pool, last) VALUES (?, 1 + coalesce((SELECT max(fencing_floor) FROM restoration), 0))
            ON CONFLICT (pool) DO UPDATE SET last = last + 1 RETURNING last
            """, [pool])
        guard let last else { throw StoreError.failed("the fencing number of pool \(pool) was not returned") }
        return last
    }

    /// Throws ``StoreError/conflict(_:)`` while another attempt at the task, or another writer of its
    /// output, holds a lease.
    public func insert(_ attempt: NewAttempt, at task: TaskRow) throws {
        try session.change(
            """
            INSERT INTO attempt (id, run, task, number, environment, output, agent, lease, fencing, lease_until,
                deadline_at, state, leased_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'leased', ?)
            """,
            [
                attempt.id.description, task.run.description, task.id, attempt.number, task.environment,
                task.output?.description, attempt.claim.agent.description, attempt.claim.lease.description,
                attempt.claim.fencing, attempt.leaseUntil.milliseconds, attempt.deadline.milliseconds,
                session.now.milliseconds,
            ])
    }

    public func find(_ id: ID<Attempt>) throws -> AttemptRow? {
        try session.first(AttemptRow.self, Self.findSQL, [id.description])
    }

    private static let findSQL = "SELECT \(AttemptRow.columns) FROM attempt WHERE id = ?"

    /// All attempts of the run, those of each task oldest first.
    public func list(run: ID<Run>) throws -> [AttemptRow] {
        try session.all(
            AttemptRow.self, "SELECT \(AttemptRow.columns) FROM attempt WHERE run = ? ORDER BY task, number", [run.description])
    }

    /// The one whose lease is current.
    public func live(task: Int64) throws -> AttemptRow? {
        try session.first(
            AttemptRow.self, "SELECT \(AttemptRow.columns) FROM attempt WHERE task = ? AND lease_until IS NOT NULL", [task])
    }

    /// Attempts whose lease ended before now, the longest first.
    public func lapsed(limit: Int) throws -> [AttemptRow] {
        try session.all(AttemptRow.self, Self.lapsedSQL, [session.now.milliseconds, limit])
    }

    static let lapsedSQL = """
        SELECT \(AttemptRow.columns) FROM attempt WHERE lease_until IS NOT NULL AND lease_until < ? ORDER BY lease_until LIMIT ?
        """

    /// Live attempts whose own time is over, the longest first.
    public func overdue(limit: Int) throws -> [AttemptRow] {
        try session.all(AttemptRow.self, Self.overdueSQL, [session.now.milliseconds, limit])
    }

    static let overdueSQL = """
        SELECT \(AttemptRow.columns) FROM attempt WHERE lease_until IS NOT NULL AND deadline_at < ? ORDER BY deadline_at LIMIT ?
        """

    /// How many leases the agent holds.
    public func live(agent: ID<Agent>) throws -> Int {
        try session.value(
            Int.self, "SELECT count(*) FROM attempt WHERE agent = ? AND lease_until IS NOT NULL", [agent.description]) ?? 0
    }

    /// Whether an attempt that writes the asset holds a lease.
    public func isWritten(environment: String, output: AssetName) throws -> Bool {
        try session.exists(Self.isWrittenSQL, [environment, output.description])
    }

    static let isWrittenSQL = "SELECT 1 FROM attempt WHERE environment = ? AND output = ? AND lease_until IS NOT NULL"

    /// Prolongs a current lease; a lease never gets shorter by it.
    public func renew(_ id: ID<Attempt>, until: Date) throws {
        try session.change(
            "UPDATE attempt SET lease_until = max(lease_until, ?) WHERE id = ? AND lease_until IS NOT NULL",
            [until.milliseconds, id.description])
    }

    public func start(_ id: ID<Attempt>, leaseUntil: Date, deadline: Date) throws {
        try session.change(
            """
            UPDATE attempt SET state = 'running', started_at = ?, lease_until = ?, deadline_at = ?
            WHERE id = ? AND state = 'leased'
            """,
            [session.now.milliseconds, leaseUntil.milliseconds, deadline.milliseconds, id.description])
        try session.requireOneChange("attempt \(id) is not leased")
    }

    public func setProgress(_ id: ID<Attempt>, _ progress: TaskProgress) throws {
        try session.change(
            "UPDATE attempt SET progress = ? WHERE id = ? AND lease_until IS NOT NULL",
            [try jsonText(progress), id.description])
    }

    /// Ends an attempt and its lease; throws ``StoreError/conflict(_:)`` when it has ended before.
    public func finish(
        _ id: ID<Attempt>, state: AttemptState, metrics: TaskMetrics?, checks: [CheckResult], error: TaskError?,
        snapshot: SnapshotReference?
    ) throws {
        try session.change(
            """
            UPDATE attempt SET state = ?, lease_until = NULL, finished_at = ?, metrics = ?, checks = ?, error = ?,
                snapshot = ?, snapshot_version = ?, snapshot_location = ?
            WHERE id = ? AND lease_until IS NOT NULL
            """,
            [
                state.rawValue, session.now.milliseconds, try metrics.map(jsonText), try jsonText(checks),
                try error.map(jsonText), snapshot?.id.description, snapshot?.version, snapshot?.location,
                id.description,
            ])
        try session.requireOneChange("attempt \(id) has ended")
    }

    public func toldCancellation(_ id: ID<Attempt>) throws {
        try session.change(
            "UPDATE attempt SET cancellation_told_at = ? WHERE id = ?", [session.now.milliseconds, id.description])
    }

    /// Remembers that a report under the attempt was dropped; whether it was the first.
    public func markStaleReport(_ id: ID<Attempt>) throws -> Bool {
        try session.change(
            "UPDATE attempt SET stale_report_at = ? WHERE id = ? AND stale_report_at IS NULL",
            [session.now.milliseconds, id.description]) == 1
    }

    /// Whether some attempt has published the snapshot already.
    public func isPublished(_ snapshot: ID<Snapshot>) throws -> Bool {
        try session.exists("SELECT 1 FROM attempt WHERE snapshot = ?", [snapshot.description])
    }

    /// The snapshot of the asset that the run's own task has published, or reuses.
    public func published(_ asset: AssetName, in run: ID<Run>) throws -> SnapshotReference? {
        let row =
            try session.row(Self.publishedSQL, [run.description, asset.description])
            ?? session.row(
                """
                SELECT a.snapshot, a.snapshot_version, a.snapshot_location FROM task t
                JOIN attempt a ON a.id = t.reused_attempt
                WHERE t.run = ? AND t.output = ? AND a.snapshot IS NOT NULL
                """, [run.description, asset.description])
        return try row.map { row in
            SnapshotReference(
                id: try row.id("snapshot"), version: row["snapshot_version"], location: row["snapshot_location"])
        }
    }

    static let publishedSQL = """
        SELECT snapshot, snapshot_version, snapshot_location FROM attempt
        WHERE run = ? AND output = ? AND snapshot IS NOT NULL
        """

    /// The accepted attempt at each task of the run that succeeded, by the task's name; where a task
    /// reuses an earlier one, that.
    public func succeeded(in run: ID<Run>) throws -> [String: ID<Attempt>] {
        let rows = try session.rows(
            """
            SELECT t.name, coalesce(t.reused_attempt, a.id) AS attempt FROM task t
            LEFT JOIN attempt a ON a.task = t.id AND a.state = 'succeeded'
            WHERE t.run = ? AND t.state = 'succeeded'
            """, [run.description])
        return try rows.reduce(into: [:]) { $0[$1["name"] as String] = try $1.id("attempt") }
    }
}
