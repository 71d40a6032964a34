public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// An occasion on which a trigger may start a run, or a range of skipped ones.
public struct TickRow: Sendable {
    public var number: Int64
    public var trigger: ID<Trigger>
    public var key: String
    public var outcome: TickOutcome
    public var reason: String?
    public var run: ID<Run>?
    public var scheduledFor: Date?
    public var until: Date?
    public var count: Int64
    public var dueAt: Date?
    public var recordedAt: Date
    public var cause: JSONValue?
    /// What a webhook's delivery sets.
    public var parameters: [String: JSONValue]
    /// The backfill whose run brought it about; what it starts belongs to that, too.
    public var backfill: ID<Backfill>?
}

/// A tick that is to be recorded.
public struct NewTick: Sendable {
    public var trigger: ID<Trigger>
    public var key: String
    public var outcome: TickOutcome
    public var reason: String?
    public var run: ID<Run>?
    public var scheduledFor: Date?
    public var until: Date?
    public var count: Int64 = 1
    public var dueAt: Date?
    public var cause: JSONValue?
    public var parameters: [String: JSONValue] = [:]
    public var backfill: ID<Backfill>?

    public init(trigger: ID<Trigger>, key: String, outcome: TickOutcome) {
        self.trigger = trigger
        self.key = key
        self.outcome = outcome
    }
}

extension Session {
    public var ticks: TickQueries { TickQueries(session: self) }
}

public struct TickQueries {
    let session: Session

    /// Records a tick unless the trigger has one with this key; says whether it did.
    @discardableResult
    public func insert(_ tick: NewTick) throws -> Bool {
        try session.change(
            """
            INSERT INTO tick (trigger, key, outcome, reason, run, scheduled_for, until, count, due_at, recorded_at,
                cause, parameters, backfill)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trigger, key) DO NOTHING
            """,
            [
                tick.trigger.description, tick.key, tick.outcome.rawValue, tick.reason, tick.run?.description,
                tick.scheduledFor?.milliseconds, tick.until?.milliseconds, tick.count, tick.dueAt?.milliseconds,
                session.now.milliseconds, try tick.cause.map(jsonText),
                tick.parameters.isEmpty ? nil : try jsonText(tick.parameters), tick.backfill?.description,
            ]) > 0
    }

    public func find(trigger: ID<Trigger>, key: String) throws -> TickRow? {
        try session.row("SELECT * FROM tick WHERE trigger = ? AND key = ?", [trigger.description, key]).map(TickRow.init)
    }

    public func find(_ number: Int64) throws -> TickRow? {
        try session.row("SELECT * FROM tick WHERE number = ?", [number]).map(TickRow.init)
    }

    /// Newest first, those before `number`.
    public func list(trigger: ID<Trigger>, before number: Int64? = nil, limit: Int) throws -> [TickRow] {
        try session.rows(Self.listSQL, [trigger.description, number ?? .max, limit]).map(TickRow.init)
    }

    static let listSQL = "SELECT * FROM tick WHERE trigger = ? AND number < ? ORDER BY number DESC LIMIT ?"

    /// The waiting tick that `tick` can be taken together with: of the same trigger and, of backfills, of the
    /// same one for the same time. With several, the oldest.
    public func waiting(like tick: NewTick) throws -> TickRow? {
        try session.row(
            """
            SELECT * FROM tick WHERE trigger = ? AND outcome = 'waiting' AND backfill IS ? AND scheduled_for IS ?
            ORDER BY number LIMIT 1
            """, [tick.trigger.description, tick.backfill?.description, tick.scheduledFor?.milliseconds]
        ).map(TickRow.init)
    }

    /// Whether a tick that a backfill's run brought about is still to be fired.
    public func isWaiting(for backfill: ID<Backfill>) throws -> Bool {
        try session.exists(Self.waitingForBackfillSQL, [backfill.description])
    }

    static let waitingForBackfillSQL = """
        SELECT number FROM tick WHERE backfill = ? AND backfill IS NOT NULL AND outcome = 'waiting' LIMIT 1
        """

    /// `count` more updates belong to a waiting tick.
    public func join(_ number: Int64, count: Int64, cause: JSONValue?) throws {
        try session.change(
            "UPDATE tick SET count = count + ?, cause = ? WHERE number = ? AND outcome = 'waiting'",
            [count, try cause.map(jsonText), number])
        try session.requireOneChange("tick \(number) is decided")
    }

    /// Waiting ticks whose delay is over, the longest due first.
    public func due(limit: Int) throws -> [Int64] {
        try session.rows(Self.dueSQL, [session.now.milliseconds, limit]).map { $0["number"] }
    }

    static let dueSQL = "SELECT number FROM tick WHERE outcome = 'waiting' AND due_at <= ? ORDER BY due_at LIMIT ?"

    public func nextDue() throws -> Date? { try session.row(Self.nextDueSQL)?.date("due_at") }

    static let nextDueSQL = "SELECT due_at FROM tick WHERE outcome = 'waiting' AND due_at > 0 ORDER BY due_at LIMIT 1"

    /// Ends a waiting tick; throws ``StoreError/conflict(_:)`` when it waits no more.
    public func decide(_ number: Int64, _ outcome: TickOutcome, reason: String?, run: ID<Run>?) throws {
        try session.change(
            """
            UPDATE tick SET outcome = ?, reason = ?, run = ?, due_at = NULL, is_held = 0
            WHERE number = ? AND outcome = 'waiting'
            """, [outcome.rawValue, reason, run?.description, number])
        try session.requireOneChange("tick \(number) is decided")
    }

    /// Puts a waiting tick off: what it met is no fault of its own.
    public func postpone(_ number: Int64, until: Date) throws {
        try session.change(
            "UPDATE tick SET due_at = ?, is_held = 0 WHERE number = ? AND outcome = 'waiting'", [until.milliseconds, number])
    }

    /// The newest tick that started a run.
    public func lastRun(of trigger: ID<Trigger>) throws -> ID<Run>? {
        try session.row(
            "SELECT run FROM tick WHERE trigger = ? AND run IS NOT NULL ORDER BY number DESC LIMIT 1", [trigger.description]
        )?.optionalID("run")
    }

    /// Removes what was recorded as skipped of a schedule's future for one of `reasons`.
    ///
    /// - Returns: ranges that began in the past, which stay for the caller to ``cut(_:until:count:)``.
    public func takeBack(_ trigger: ID<Trigger>, reasons: [String]) throws -> [TickRow] {
        let condition = """
            trigger = ?1 AND outcome = 'skipped' AND reason IN (SELECT value FROM json_each(?2)) \
            AND coalesce(until, scheduled_for) > ?3
            """
        let arguments: StatementArguments = [trigger.description, try jsonText(reasons), session.now.milliseconds]
        try session.change("DELETE FROM tick WHERE \(condition) AND scheduled_for > ?3", arguments)
        return try session.rows("SELECT * FROM tick WHERE \(condition)", arguments).map(TickRow.init)
    }

    /// Shortens a range of skipped ticks.
    public func cut(_ number: Int64, until: Date?, count: Int64) throws {
        try session.change(
            "UPDATE tick SET until = ?, count = ? WHERE number = ? AND outcome = 'skipped'",
            [until?.milliseconds, count, number])
        try session.requireOneChange("tick \(number) is gone")
    }

    /// A recorded tick of a schedule, or a range of them.
    public struct Span: Sendable, Hashable {
        public var first: Date
        public var until: Date
    }

    /// What is recorded of a schedule's ticks with keys in a range, in order, and of the one before it, which
    /// may be a range that reaches into it. Keys of schedules are in the order of their times.
    public func recorded(of trigger: ID<Trigger>, from: String, through: String) throws -> [Span] {
        try session.rows(Self.recordedSQL, [trigger.description, from, through]).map { row in
            Span(first: Date(milliseconds: row["scheduled_for"]), until: Date(milliseconds: row["last"]))
        }
    }

    static let recordedSQL = """
        SELECT scheduled_for, coalesce(until, scheduled_for) AS last FROM tick
        WHERE trigger = ?1 AND scheduled_for IS NOT NULL AND key <= ?3
            AND key >= coalesce((SELECT key FROM tick WHERE trigger = ?1 AND key < ?2 AND scheduled_for IS NOT NULL
                ORDER BY key DESC LIMIT 1), ?2)
        ORDER BY key
        """

    /// Lets a waiting tick wait for the end of a run; `until` is when it is looked at in any case.
    public func hold(_ number: Int64, until: Date) throws {
        try session.change(
            "UPDATE tick SET is_held = 1, due_at = ? WHERE number = ? AND outcome = 'waiting'", [until.milliseconds, number])
        try session.requireOneChange("tick \(number) is decided")
    }

    /// Makes ticks due that wait for the end of a run of the flow. Whether there were any.
    public func release(waitingFor flow: FlowReference) throws -> Bool {
        try session.change(
            Self.releaseSQL, [session.now.milliseconds, flow.environment, flow.bundle, flow.flow]) > 0
    }

    static let releaseSQL = """
        UPDATE tick INDEXED BY tick_held SET is_held = 0, due_at = ?1 WHERE is_held = 1 AND trigger IN
            (SELECT id FROM trigger WHERE environment = ?2 AND bundle = ?3 AND flow = ?4)
        """

    /// How many updates were taken together with a run that had been made before, by trigger.
    public func joined(_ run: ID<Run>) throws -> [(trigger: ID<Trigger>, count: Int64)] {
        try session.rows(Self.joinedSQL, [run.description]).map { (try $0.id("trigger"), $0["updates"]) }
    }

    static let joinedSQL = """
        SELECT trigger, sum(count) AS updates FROM tick WHERE run = ? AND run IS NOT NULL AND outcome = 'skipped'
        GROUP BY trigger
        """

    /// Ticks by what became of them and what had them, since the first.
    public func counts() throws -> [TickCount] {
        try session.rows("SELECT kind, outcome, count FROM tick_count").map {
            TickCount(kind: try $0.word("kind"), outcome: try $0.word("outcome"), count: $0["count"])
        }
    }

    /// Of the `limit` oldest ticks that are decided, removes those that were decided before `cutoff`. What brings them about
    /// does not come again: a schedule's position, ended runs and accepted deliveries do not go back.
    public func remove(before cutoff: Date, limit: Int) throws -> RetentionQueries.Removed {
        let removed = try session.change(
            """
            DELETE FROM tick WHERE number IN (SELECT number FROM tick WHERE outcome <> 'waiting' ORDER BY number LIMIT ?)
                AND recorded_at < ?
            """, [limit, cutoff.milliseconds])
        return RetentionQueries.Removed(rows: removed, isMore: removed == limit)
    }
}

public struct TickCount: Sendable, Hashable {
    public var kind: TriggerKind
    public var outcome: TickOutcome
    public var count: Int
}

extension TickRow {
    init(_ row: Row) throws {
        self.init(
            number: row["number"], trigger: try row.id("trigger"), key: row["key"], outcome: try row.word("outcome"),
            reason: row["reason"], run: try row.optionalID("run"), scheduledFor: row.date("scheduled_for"),
            until: row.date("until"), count: row["count"], dueAt: row.date("due_at"),
            recordedAt: Date(milliseconds: row["recorded_at"]), cause: try row.optionalJSON(JSONValue.self, "cause"),
            parameters: try row.optionalJSON([String: JSONValue].self, "parameters") ?? [:],
            backfill: try row.optionalID("backfill"))
    }
}
