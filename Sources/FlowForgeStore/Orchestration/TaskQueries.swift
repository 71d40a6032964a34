public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var tasks: TaskQueries { TaskQueries(session: self) }
}

/// So many tasks of one engine that a pool's agents can claim.
public struct ReadyTasks: Hashable, Sendable {
    public var pool: String
    public var engine: String
    public var count: Int
    public init(pool: String, engine: String, count: Int) {
        self.pool = pool
        self.engine = engine
        self.count = count
    }
}

public struct TaskQueries {
    let session: Session

    /// Stores the tasks of a new run, given in topological order: those without dependencies `ready`,
    /// the others `waiting`.
    public func insert(_ tasks: [NewTask], of run: RunRow) throws {
        var ids: [String: Int64] = [:]
        for (position, task) in tasks.enumerated() {
            let isRoot = task.dependsOn.isEmpty
            try session.change(
                """
                INSERT INTO task (run, name, position, environment, pool, layer, engine, inputs, output, retries,
                    retry_delay, state, ready_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    run.id.description, task.name, position, run.environment, run.pool, task.layer.rawValue,
                    task.engine, try jsonText(task.inputs), task.output?.description, task.retry.retries,
                    Int64((task.retry.delaySeconds * 1000).rounded()),
                    (isRoot ? TaskState.ready : .waiting).rawValue, isRoot ? session.now.milliseconds : nil,
                ])
            let id = session.db.lastInsertedRowID
            ids[task.name] = id
            for name in task.dependsOn {
                guard let upstream = ids[name] else {
                    throw StoreError.conflict("task \(task.name) comes before \(name), which it depends on")
                }
                try session.change("INSERT INTO task_dependency (task, upstream) VALUES (?, ?)", [id, upstream])
            }
        }
    }

    public func find(_ id: Int64) throws -> TaskRow? {
        try session.row("SELECT * FROM task WHERE id = ?", [id]).map(TaskRow.init)
    }

    /// In topological order.
    public func list(run: ID<Run>) throws -> [TaskRow] {
        try session.rows("SELECT * FROM task WHERE run = ? ORDER BY position", [run.description]).map(TaskRow.init)
    }

    /// The states that tasks of the run are in, each once.
    public func states(run: ID<Run>) throws -> [TaskState] {
        try session.rows("SELECT DISTINCT state FROM task WHERE run = ?", [run.description]).map { try $0.word("state") }
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

    /// The task that has been claimable longest for one of `engines`. A task whose output another
    /// attempt is writing has to wait for it.
    public func nextClaimable(pool: String, engines: [String]) throws -> TaskRow? {
        try session.row(Self.nextClaimableSQL, [pool, session.now.milliseconds, try jsonText(engines)])
            .map(TaskRow.init)
    }

    static let nextClaimableSQL = """
        SELECT task.* FROM task
        WHERE state = 'ready' AND pool = ?1 AND ready_at <= ?2
            AND engine IN (SELECT value FROM json_each(?3))
            AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.environment = task.environment
                AND attempt.output = task.output AND attempt.lease_until IS NOT NULL)
        ORDER BY ready_at, id LIMIT 1
        """

    /// Puts a task where its lifecycle has brought it from `task.state`; throws
    /// ``StoreError/conflict(_:)`` when it has moved meanwhile. `readyAt` goes with `ready`.
    public func move(_ task: TaskRow, to lifecycle: TaskLifecycle, readyAt: Date? = nil) throws {
        try session.change(
            """
            UPDATE task SET state = ?1, failures = ?2, losses = ?3, ready_at = ?4,
                attempts = attempts + (?1 = 'leased'),
                finished_at = CASE WHEN ?1 IN ('succeeded', 'failed', 'cancelled', 'skipped') THEN ?5 END
            WHERE id = ?6 AND state = ?7
            """,
            [
                lifecycle.state.rawValue, lifecycle.failures, lifecycle.losses, readyAt?.milliseconds,
                session.now.milliseconds, task.id, task.state.rawValue,
            ])
        try session.requireOneChange("task \(task.name) of run \(task.run) is no longer \(task.state.rawValue)")
    }

    /// Tasks that waited for `task` and now have nothing left to wait for.
    public func unblocked(by task: Int64) throws -> [TaskRow] {
        try session.rows(
            """
            SELECT t.* FROM task_dependency d JOIN task t ON t.id = d.task
            WHERE d.upstream = ? AND t.state = 'waiting' AND NOT EXISTS (
                SELECT 1 FROM task_dependency o JOIN task u ON u.id = o.upstream
                WHERE o.task = t.id AND u.state <> 'succeeded')
            ORDER BY t.position
            """, [task]
        ).map(TaskRow.init)
    }

    /// Tasks that wait for `task`, directly or through others.
    public func waitingBehind(_ task: Int64) throws -> [TaskRow] {
        try session.rows(
            """
            WITH RECURSIVE behind (id) AS (
                SELECT task FROM task_dependency WHERE upstream = ?
                UNION
                SELECT d.task FROM behind JOIN task_dependency d ON d.upstream = behind.id
            )
            SELECT t.* FROM behind JOIN task t ON t.id = behind.id WHERE t.state = 'waiting' ORDER BY t.position
            """, [task]
        ).map(TaskRow.init)
    }

    /// Claimable tasks that write `output`, for when its last writer is done.
    public func ready(environment: String, output: AssetName) throws -> [ReadyTasks] {
        try readyTasks(
            """
            SELECT pool, engine, count(*) AS count FROM task
            WHERE state = 'ready' AND environment = ? AND output = ? AND ready_at <= ? GROUP BY pool, engine
            """, [environment, output.description, session.now.milliseconds])
    }

    /// Tasks that became claimable because their delay ended in `(after, until]`.
    public func due(after: Date, until: Date) throws -> [ReadyTasks] {
        try readyTasks(Self.dueSQL, [after.milliseconds, until.milliseconds])
    }

    static let dueSQL = """
        SELECT pool, engine, count(*) AS count FROM task INDEXED BY task_due
        WHERE state = 'ready' AND ready_at > ? AND ready_at <= ? GROUP BY pool, engine
        """

    /// How many tasks wait to be claimed, by pool.
    public func queueDepth() throws -> [String: Int] {
        let rows = try session.rows("SELECT pool, count(*) AS count FROM task WHERE state = 'ready' GROUP BY pool")
        return Dictionary(rows.map { ($0["pool"], $0["count"]) }) { $1 }
    }

    private func readyTasks(_ sql: String, _ arguments: StatementArguments) throws -> [ReadyTasks] {
        try session.rows(sql, arguments).map {
            ReadyTasks(pool: $0["pool"], engine: $0["engine"], count: $0["count"])
        }
    }
}
