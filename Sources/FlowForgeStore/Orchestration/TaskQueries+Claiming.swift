internal import FlowForgeDomain
public import Foundation
internal import GRDB

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

extension TaskQueries {
    /// The task for one of `engines` that is to be had next: the most important, of equals the one
    /// that has been ready longest. What it may still have to wait for is not looked at.
    public func nextClaimable(pool: String, engines: [String]) throws -> TaskRow? {
        var best: TaskRow?
        for engine in engines {
            guard let task = try session.first(TaskRow.self, Self.nextClaimableSQL, [pool, engine]) else { continue }
            if best.map({ Self.precedes(task, $0) }) ?? true { best = task }
        }
        return best
    }

    static let nextClaimableSQL = """
        SELECT \(TaskRow.columns) FROM task WHERE state = 'ready' AND parked_on IS NULL AND pool = ? AND engine = ?
        ORDER BY priority DESC, ready_at, id LIMIT 1
        """

    private static func precedes(_ one: TaskRow, _ other: TaskRow) -> Bool {
        if one.priority != other.priority { return one.priority > other.priority }
        let (since, otherSince) = (one.readyAt ?? .distantPast, other.readyAt ?? .distantPast)
        return since == otherSince ? one.id < other.id : since < otherSince
    }

    /// Takes a ready task out of the queue until what it waits for puts it back.
    public func park(_ task: TaskRow, on parking: Parking) throws {
        try session.change(
            "UPDATE task SET parked_on = ? WHERE id = ? AND state = 'ready'", [parking.text, task.id])
    }

    /// Those who wait for one thing and that the same agents can take, the most important first, of
    /// equals the one that has been ready longest.
    public struct Line: Hashable, Sendable, StoredRow {
        public var pool: String
        public var engine: String

        static let columns = "pool, engine"
        init(_ row: inout RowReader) throws { (pool, engine) = (try row.next(), try row.next()) }
        init(pool: String, engine: String) { (self.pool, self.engine) = (pool, engine) }
    }

    /// How many of a line can go on.
    public enum Room {
        case tasks(Int)
        /// As many as the free units of the limit are enough for. What wants more than there is takes all of it.
        case units(LimitQueries.Limit)
    }

    /// The lines before `parking`, by pool and engine.
    public func lines(before parking: Parking) throws -> [Line] {
        var lines: [Line] = []
        var last = Line(pool: "", engine: "")
        while let line = try session.first(Line.self, Self.nextLineSQL, [parking.text, last.pool, last.engine]) {
            lines.append(line)
            last = line
        }
        return lines
    }

    static let nextLineSQL = """
        SELECT \(Line.columns) FROM task WHERE parked_on = ? AND (pool, engine) > (?, ?) ORDER BY pool, engine LIMIT 1
        """

    /// Puts back those at the head of `line` that there is room for. Nobody overtakes one that does not fit.
    ///
    /// - Returns: how many.
    public func unpark(_ parking: Parking, of line: Line, room: Room) throws -> Int {
        switch room {
        case .tasks(let count):
            return try session.change(Self.unparkSQL, [parking.text, line.pool, line.engine, count])
        case .units(let limit):
            let key = limit.key.description
            return try session.change(
                Self.unparkFittingSQL,
                [
                    parking.text, line.pool, line.engine, limit.free, limit.slots, "$.\"\(key)\"",
                    limit.key == .pool(line.pool) ? 1 : 0,
                ])
        }
    }

    static let unparkSQL = """
        UPDATE task SET parked_on = NULL WHERE id IN (
            SELECT id FROM task WHERE parked_on = ?1 AND pool = ?2 AND engine = ?3
            ORDER BY priority DESC, ready_at, id LIMIT ?4)
        """

    /// Each takes at least one unit, so no more than there are free units are looked at.
    static let unparkFittingSQL = """
        UPDATE task SET parked_on = NULL WHERE id IN (
            SELECT id FROM (
                SELECT id, sum(max(1, min(?5, ?7 + coalesce(json_extract(limits, ?6), 0)))) OVER (
                    ORDER BY priority DESC, ready_at, id ROWS UNBOUNDED PRECEDING) AS units
                FROM (
                    SELECT id, limits, priority, ready_at FROM task WHERE parked_on = ?1 AND pool = ?2 AND engine = ?3
                    ORDER BY priority DESC, ready_at, id LIMIT ?4))
            WHERE units <= ?4)
        """

    /// Whether one that comes before `task`, for the same agents, waits for `parking`.
    public func isOvertaking(_ task: TaskRow, on parking: Parking) throws -> Bool {
        let first = try session.first(TaskRow.self, Self.firstParkedSQL, [parking.text, task.pool, task.engine])
        return first.map { Self.precedes($0, task) } ?? false
    }

    static let firstParkedSQL = """
        SELECT \(TaskRow.columns) FROM task WHERE parked_on = ? AND pool = ? AND engine = ? ORDER BY priority DESC, ready_at, id LIMIT 1
        """

    /// Puts tasks back whose delay is over.
    public func unparkDue() throws -> [ReadyTasks] { try unparked(Self.unparkDueSQL, [session.now.milliseconds]) }

    static let unparkDueSQL = """
        UPDATE task SET parked_on = NULL WHERE id IN 
            (SELECT id FROM task INDEXED BY task_delayed WHERE parked_on = 'delay' AND ready_at <= ?)
        RETURNING pool, engine
        """

    /// Whether a delay is over.
    public func isDue() throws -> Bool {
        try session.exists(
            "SELECT 1 FROM task INDEXED BY task_delayed WHERE parked_on = 'delay' AND ready_at <= ? LIMIT 1",
            [session.now.milliseconds])
    }

    /// How many wait for it.
    public func parked(on parking: Parking) throws -> Int {
        try session.value(Int.self, "SELECT count(*) FROM task WHERE parked_on = ?", [parking.text]) ?? 0
    }

    /// When the next delay is over.
    public func nextDue() throws -> Date? {
        try session.row("SELECT min(ready_at) AS due FROM task INDEXED BY task_delayed WHERE parked_on = 'delay'")?.date("due")
    }

    /// Everything that ready tasks wait for, each once, without delays.
    public func parkings() throws -> [Parking] {
        try session.rows("SELECT DISTINCT parked_on FROM task WHERE parked_on IS NOT NULL AND parked_on <> 'delay'")
            .map { Parking(text: $0["parked_on"]) }
    }

    private func unparked(_ sql: String, _ arguments: StatementArguments) throws -> [ReadyTasks] {
        var counts: [ReadyTasks: Int] = [:]
        for row in try session.rows(sql, arguments) {
            counts[ReadyTasks(pool: row["pool"], engine: row["engine"], count: 1), default: 0] += 1
        }
        return counts.map { ReadyTasks(pool: $0.key.pool, engine: $0.key.engine, count: $0.value) }
            .sorted { ($0.pool, $0.engine) < ($1.pool, $1.engine) }
    }
}
