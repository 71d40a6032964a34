public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var tasks: TaskQueries { TaskQueries(session: self) }
}

public struct TaskQueries {
    let session: Session

    /// Stores the tasks of a new run, given in topological order: those without open dependencies
    /// `ready` if the run is admitted, the others `waiting`; those that reuse a result `succeeded`.
    public func insert(_ tasks: [NewTask], of run: RunRow) throws {
        var known: [String: (id: Int64, isDone: Bool)] = [:]
        for (position, task) in tasks.enumerated() {
            let upstream = try task.dependsOn.map { name in
                guard let upstream = known[name] else {
                    throw StoreError.conflict("task \(task.name) comes before \(name), which it depends on")
                }
                return upstream
            }
            let open = upstream.count { !$0.isDone }
            let state: TaskState =
                task.reuses != nil ? .succeeded : open == 0 && run.admittedAt != nil ? .ready : .waiting
            let id = try insert(task, of: run, position: position, state: state, openUpstream: open)
            known[task.name] = (id, task.reuses != nil)
            for upstream in upstream {
                try session.change("INSERT INTO task_dependency (task, upstream) VALUES (?, ?)", [id, upstream.id])
            }
        }
    }

    private func insert(
        _ task: NewTask, of run: RunRow, position: Int, state: TaskState, openUpstream: Int
    ) throws -> Int64 {
        let now = session.now.milliseconds
        try session.change(
            """
            INSERT INTO task (run, name, position, environment, pool, layer, engine, inputs, output, retries,
                retry_delay, retry_backoff, retry_jitter, retry_longest, timeout, priority, limits, credentials, state, ready_at,
                finished_at, open_upstream, reused_attempt)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                run.id.description, task.name, position, run.environment, task.pool, task.layer.rawValue,
                task.engine, try jsonText(task.inputs), task.output?.description, task.retry.retries,
                Self.milliseconds(task.retry.delaySeconds), task.retry.backoff, task.retry.jitter,
                Self.milliseconds(task.retry.longestDelaySeconds), Self.milliseconds(task.timeoutSeconds), run.priority,
                task.limits.isEmpty ? nil : try jsonText(task.limits),
                task.credentials.isEmpty ? nil : try jsonText(task.credentials), state.rawValue, state == .ready ? now : nil,
                state.isFinal ? now : nil, openUpstream, task.reuses?.description,
            ])
        return session.db.lastInsertedRowID
    }

    private static func milliseconds(_ seconds: Double) -> Int64 { Int64((seconds * 1000).rounded()) }

    public func find(_ id: Int64) throws -> TaskRow? {
        try session.first(TaskRow.self, Self.findSQL, [id])
    }

    private static let findSQL = "SELECT \(TaskRow.columns) FROM task WHERE id = ?"

    /// In topological order.
    public func list(run: ID<Run>) throws -> [TaskRow] {
        try session.all(TaskRow.self, "SELECT \(TaskRow.columns) FROM task WHERE run = ? ORDER BY position", [run.description])
    }

    /// Names of each task's direct dependencies, in topological order, by the task's id.
    public func dependencies(run: ID<Run>) throws -> [Int64: [String]] {
        let rows = try session.rows(
            """
            SELECT d.task AS task, u.name AS upstream FROM task t
            JOIN task_dependency d ON d.task = t.id JOIN task u ON u.id = d.upstream
            WHERE t.run = ? ORDER BY u.position
            """, [run.description])
        return rows.reduce(into: [:]) { $0[$1["task"], default: []].append($1["upstream"]) }
    }

    /// Puts a task where its lifecycle has brought it from `task.state`, and counts it in its run when
    /// that is final; throws ``StoreError/conflict(_:)`` when it has moved meanwhile. `readyAt` goes
    /// with `ready`, and delays the task when it is in the future.
    public func move(_ task: TaskRow, to lifecycle: TaskLifecycle, readyAt: Date? = nil) throws {
        let isDelayed = readyAt.map { $0 > session.now } ?? false
        try session.change(
            """
            UPDATE task SET state = ?1, failures = ?2, losses = ?3, ready_at = ?4, parked_on = ?8,
                attempts = attempts + (?1 = 'leased'),
                finished_at = CASE WHEN ?1 IN ('succeeded', 'failed', 'cancelled', 'skipped') THEN ?5 END
            WHERE id = ?6 AND state = ?7
            """,
            [
                lifecycle.state.rawValue, lifecycle.failures, lifecycle.losses, readyAt?.milliseconds,
                session.now.milliseconds, task.id, task.state.rawValue, isDelayed ? Parking.delay.text : nil,
            ])
        try session.requireOneChange("task \(task.name) of run \(task.run) is no longer \(task.state.rawValue)")
        guard lifecycle.state.isFinal, !task.state.isFinal else { return }
        try session.change(
            """
            UPDATE run SET open_tasks = open_tasks - 1, unsuccessful_tasks = unsuccessful_tasks + ? WHERE id = ?
            """, [lifecycle.state == .succeeded ? 0 : 1, task.run.description])
    }

    /// Counts that `task` has succeeded for those that wait for it.
    ///
    /// - Returns: those that now have nothing left to wait for, in topological order.
    public func unblock(by task: Int64) throws -> [TaskRow] {
        try session.change(
            """
            UPDATE task SET open_upstream = open_upstream - 1
            WHERE id IN (SELECT task FROM task_dependency WHERE upstream = ?)
            """, [task])
        return try session.all(
            TaskRow.self,
            """
            SELECT \(TaskRow.columns) FROM task
            WHERE id IN (SELECT task FROM task_dependency WHERE upstream = ?) AND state = 'waiting' AND open_upstream = 0
            ORDER BY position
            """, [task]
        )
    }

    /// Tasks of a run that wait for nothing but its admission.
    public func roots(run: ID<Run>) throws -> [TaskRow] {
        try session.all(
            TaskRow.self,
            "SELECT \(TaskRow.columns) FROM task WHERE run = ? AND state = 'waiting' AND open_upstream = 0 ORDER BY position",
            [run.description]
        )
    }

    /// Tasks that wait for `task`, directly or through others that wait.
    public func waitingBehind(_ task: Int64) throws -> [TaskRow] {
        try session.all(
            TaskRow.self,
            """
            WITH RECURSIVE behind (id) AS (
                SELECT t.id FROM task_dependency d JOIN task t ON t.id = d.task
                WHERE d.upstream = ? AND t.state = 'waiting'
                UNION
                SELECT t.id FROM behind JOIN task_dependency d ON d.upstream = behind.id
                JOIN task t ON t.id = d.task WHERE t.state = 'waiting'
            )
            SELECT \(TaskRow.columns) FROM task WHERE id IN (SELECT id FROM behind) ORDER BY position
            """, [task]
        )
    }
}
