public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// Runs for a range of the past, as it is stored.
public struct BackfillRow: Sendable {
    public var id: ID<Backfill>
    public var environment: String
    public var bundle: String
    public var flow: String
    public var trigger: String?
    public var schedule: Schedule
    public var parameters: [String: JSONValue]
    public var from: Date
    /// The first moment that does not belong to it.
    public var until: Date
    /// Runs of it that have not ended, at most.
    public var maxRuns: Int
    /// Tasks of it that agents work on at once, at most.
    public var maxSlots: Int
    /// Whether ticks run that have succeeded before.
    public var again: Bool
    public var state: BackfillState
    /// Every tick up to here has its run, or was left out.
    public var position: Date
    public var total: Int
    public var idempotencyKey: String?
    public var createdBy: String
    public var createdAt: Date
    public var finishedAt: Date?
    /// As it was asked for, without the key; absent in those that are older than this was kept.
    public var request: OperatorAPI.StartBackfill?

    public init(
        id: ID<Backfill>, environment: String, bundle: String, flow: String, trigger: String?, schedule: Schedule,
        parameters: [String: JSONValue], from: Date, until: Date, maxRuns: Int, maxSlots: Int, again: Bool, total: Int,
        idempotencyKey: String?, createdBy: String, createdAt: Date
    ) {
        self.id = id
        self.environment = environment
        self.bundle = bundle
        self.flow = flow
        self.trigger = trigger
        self.schedule = schedule
        self.parameters = parameters
        self.from = from
        self.until = until
        self.maxRuns = maxRuns
        self.maxSlots = maxSlots
        self.again = again
        state = .running
        // The calculus looks for ticks after an instant, and one at `from` belongs to it.
        position = from.addingTimeInterval(-1)
        self.total = total
        self.idempotencyKey = idempotencyKey
        self.createdBy = createdBy
        self.createdAt = createdAt
    }
}

/// Its runs by state, and the ticks that got none.
public struct BackfillProgress: Sendable, Hashable {
    public var runs: [RunState: Int] = [:]
    public var skipped = 0
    public var open: Int { runs.reduce(0) { $0 + ($1.key.isFinal ? 0 : $1.value) } }
}

extension Session {
    public var backfills: BackfillQueries { BackfillQueries(session: self) }
}

public struct BackfillQueries {
    let session: Session

    public func find(_ id: ID<Backfill>) throws -> BackfillRow? {
        try session.seen(
            try session.row("SELECT * FROM backfill WHERE id = ?", [id.description]).map(BackfillRow.init)
        ) { $0.environment }
    }

    public func find(environment: String, idempotencyKey: String) throws -> BackfillRow? {
        try session.row(
            "SELECT * FROM backfill WHERE environment = ? AND idempotency_key = ?", [environment, idempotencyKey]
        ).map(BackfillRow.init)
    }

    /// Newest first, those older than `before`.
    public func list(environment: String?, before: ID<Backfill>?, limit: Int) throws -> [BackfillRow] {
        let newest = "\(Backfill.prefix)`"
        let condition = environment == nil ? "?1 IS NULL" : "environment = ?1"
        return try session.rows(
            "SELECT * FROM backfill WHERE \(condition) AND id < ?2\(session.inScope("environment")) ORDER BY id DESC LIMIT ?3",
            [environment, before?.description ?? newest, limit]
        ).map(BackfillRow.init)
    }

    /// Those that are not over, oldest first.
    public func running() throws -> [ID<Backfill>] {
        try session.rows("SELECT id FROM backfill WHERE state = 'running' ORDER BY id").map { try $0.id("id") }
    }

    public func insert(_ row: BackfillRow) throws {
        try session.change(
            """
            INSERT INTO backfill (id, environment, bundle, flow, trigger_name, schedule, parameters, from_at, until_at,
                max_runs, max_slots, again, state, position, total, idempotency_key, created_by, created_at, request)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)
            """,
            [
                row.id.description, row.environment, row.bundle, row.flow, row.trigger, try jsonText(row.schedule),
                try jsonText(row.parameters), row.from.milliseconds, row.until.milliseconds, row.maxRuns, row.maxSlots,
                row.again, row.position.milliseconds, row.total, row.idempotencyKey, row.createdBy,
                row.createdAt.milliseconds, try row.request.map(jsonText),
            ])
    }

    /// A tick of it got a run, or none for a reason; the position is there now.
    public func record(_ tick: Date, run: ID<Run>?, reason: String?, of id: ID<Backfill>) throws {
        try session.change(
            "INSERT INTO backfill_tick (backfill, scheduled_for, run, reason) VALUES (?, ?, ?, ?)",
            [id.description, tick.milliseconds, run?.description, reason])
        try session.change(
            "UPDATE backfill SET position = ? WHERE id = ? AND state = 'running'", [tick.milliseconds, id.description])
        try session.requireOneChange("backfill \(id) is over")
    }

    /// Ends one that runs; throws ``StoreError/conflict(_:)`` when it is over.
    public func finish(_ id: ID<Backfill>, as state: BackfillState) throws {
        try session.change(
            "UPDATE backfill SET state = ?, finished_at = ? WHERE id = ? AND state = 'running'",
            [state.rawValue, session.now.milliseconds, id.description])
        try session.requireOneChange("backfill \(id) is over")
    }

    public func progress(_ id: ID<Backfill>) throws -> BackfillProgress {
        var progress = BackfillProgress()
        let rows = try session.rows(
            """
            SELECT run.state AS state, count(*) AS ticks FROM backfill_tick t LEFT JOIN run ON run.id = t.run
            WHERE t.backfill = ? AND t.run IS NOT NULL GROUP BY run.state
            """, [id.description])
        for row in rows {
            // A run that was pruned has ended, nobody knows how; it counts as none.
            guard (row["state"] as String?) != nil else { continue }
            let state: RunState = try row.word("state")
            progress.runs[state] = row["ticks"]
        }
        progress.skipped =
            try session.row(
                "SELECT count(*) AS ticks FROM backfill_tick WHERE backfill = ? AND run IS NULL", [id.description])?["ticks"] ?? 0
        return progress
    }

    /// How many runs that belong to it, those that followed from its own included, have not ended.
    public func openRuns(_ id: ID<Backfill>) throws -> Int {
        try session.value(Int.self, Self.openSQL, [id.description]) ?? 0
    }

    static let openSQL = """
        SELECT count(*) FROM run WHERE backfill = ? AND backfill IS NOT NULL AND finished_at IS NULL
        """

    /// Those of them that were made by `time` and that nobody has asked to end, oldest first.
    public func runsToCancel(_ id: ID<Backfill>, madeBy time: Date, limit: Int) throws -> [RunRow] {
        try session.all(
            RunRow.self,
            """
            SELECT \(RunRow.columns) FROM run WHERE backfill = ? AND backfill IS NOT NULL AND finished_at IS NULL
                AND state <> 'cancelling' AND created_at <= ? ORDER BY id LIMIT ?
            """, [id.description, time.milliseconds, limit]
        )
    }

    /// Backfills that are over and whose limit is still there: runs of them may go on.
    public func trailing() throws -> [ID<Backfill>] {
        try session.rows(
            """
            SELECT b.id AS id FROM concurrency_limit l JOIN backfill b ON b.id = substr(l.key, 10)
            WHERE l.key >= 'backfill:' AND l.key < 'backfill;' AND b.state <> 'running' ORDER BY b.id
            """
        ).map { try $0.id("id") }
    }

    /// Newest tick first, those before `before`.
    public func ticks(_ id: ID<Backfill>, before: Date?, limit: Int) throws -> [BackfillTickRow] {
        try session.rows(
            """
            SELECT t.scheduled_for, t.run, t.reason, run.state FROM backfill_tick t LEFT JOIN run ON run.id = t.run
            WHERE t.backfill = ? AND t.scheduled_for < ? ORDER BY t.scheduled_for DESC LIMIT ?
            """, [id.description, before?.milliseconds ?? Int64.max, limit]
        ).map { row in
            let state: RunState? = try (row["state"] as String?).map { _ in try row.word("state") }
            return BackfillTickRow(
                scheduledFor: Date(milliseconds: row["scheduled_for"]), run: try row.optionalID("run"), state: state,
                reason: row["reason"])
        }
    }

    /// A run of the flow that succeeded for this time, whoever made it.
    public func succeeded(_ flow: FlowReference, at tick: Date) throws -> ID<Run>? {
        try session.row(Self.succeededSQL, [flow.environment, flow.bundle, flow.flow, tick.milliseconds])?.id("id")
    }

    /// A run of the flow for this time that goes on: of the trigger, or one that somebody repeats.
    public func open(_ flow: FlowReference, trigger: String?, at tick: Date) throws -> ID<Run>? {
        try session.row(Self.openAtSQL, [flow.environment, flow.bundle, flow.flow, tick.milliseconds, trigger])?.id("id")
    }

    static let openAtSQL = """
        SELECT id FROM run INDEXED BY run_by_schedule WHERE environment = ? AND bundle = ? AND flow = ? AND scheduled_for = ?
            AND scheduled_for IS NOT NULL AND finished_at IS NULL AND (trigger_name IS NULL OR trigger_name = ?) LIMIT 1
        """

    static let succeededSQL = """
        SELECT id FROM run WHERE environment = ? AND bundle = ? AND flow = ? AND scheduled_for = ?
            AND scheduled_for IS NOT NULL AND state = 'succeeded' LIMIT 1
        """
}

public struct BackfillTickRow: Sendable, Hashable {
    public var scheduledFor: Date
    public var run: ID<Run>?
    public var state: RunState?
    public var reason: String?
}

extension BackfillRow {
    init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"], bundle: row["bundle"], flow: row["flow"],
            trigger: row["trigger_name"], schedule: try row.json(Schedule.self, "schedule"),
            parameters: try row.json([String: JSONValue].self, "parameters"), from: Date(milliseconds: row["from_at"]),
            until: Date(milliseconds: row["until_at"]), maxRuns: row["max_runs"], maxSlots: row["max_slots"],
            again: row["again"], total: row["total"], idempotencyKey: row["idempotency_key"], createdBy: row["created_by"],
            createdAt: Date(milliseconds: row["created_at"]))
        state = try row.word("state")
        position = Date(milliseconds: row["position"])
        finishedAt = row.date("finished_at")
        request = try row.optionalJSON(OperatorAPI.StartBackfill.self, "request")
    }

    public var flowReference: FlowReference {
        FlowReference(environment: environment, bundle: bundle, flow: flow)
    }
}
