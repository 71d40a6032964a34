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
        try session.row(Self.waitingForBackfillSQL, [backfill.description]) != nil
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
            UPDATE tick SET outcome = ?, reason = ?, run = ?, due_at = NULL WHERE number = ? AND outcome = 'waiting'
            """, [outcome.rawValue, reason, run?.description, number])
        try session.requireOneChange("tick \(number) is decided")
    }

    /// Puts a waiting tick off: what it met is no fault of its own.
    public func postpone(_ number: Int64, until: Date) throws {
        try session.change(
            "UPDATE tick SET due_at = ? WHERE number = ? AND outcome = 'waiting'", [until.milliseconds, number])
    }

    /// The newest tick that started a run.
    public func lastRun(of trigger: ID<Trigger>) throws -> ID<Run>? {
        try session.row(
            "SELECT run FROM tick WHERE trigger = ? AND run IS NOT NULL ORDER BY number DESC LIMIT 1", [trigger.description]
        )?.optionalID("run")
    }

    /// Removes what was recorded as skipped of a schedule's future; ticks that ran stay.
    ///
    /// - Returns: when the first of a removed range was that began in the past; `nil` if none did.
    public func takeBack(_ trigger: ID<Trigger>) throws -> Date? {
        let condition = "trigger = ?1 AND outcome = 'skipped' AND coalesce(until, scheduled_for) > ?2"
        let now = session.now.milliseconds
        let first = try session.row(
            "SELECT min(scheduled_for) AS first FROM tick WHERE \(condition) AND scheduled_for <= ?2",
            [trigger.description, now])?.date("first")
        try session.change("DELETE FROM tick WHERE \(condition)", [trigger.description, now])
        return first
    }

    /// Ticks by what became of them and what had them, since the first.
    public func counts() throws -> [TickCount] {
        try session.rows("SELECT kind, outcome, count FROM tick_count").map {
            TickCount(kind: try $0.word("kind"), outcome: try $0.word("outcome"), count: $0["count"])
        }
    }

    /// Of the `limit` oldest ticks, removes those that were decided before `cutoff`. What brings them about
    /// does not come again: a schedule's position, ended runs and accepted deliveries do not go back.
    public func remove(before cutoff: Date, limit: Int) throws -> RetentionQueries.Removed {
        let removed = try session.change(
            """
            DELETE FROM tick WHERE number IN (SELECT number FROM tick ORDER BY number LIMIT ?)
                AND recorded_at < ? AND outcome <> 'waiting'
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
