public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var limits: LimitQueries { LimitQueries(session: self) }
}

/// How much may go on at once, and who takes from it. What an attempt takes is given back with its
/// lease, by the database itself.
public struct LimitQueries {
    let session: Session

    public struct Limit: Hashable, Sendable, StoredRow {
        public var key: LimitKey
        public var slots: Int
        public var used: Int
        public var setAt: Date
        public var setBy: String

        /// How many more units may be taken. Below 0 after it was lowered.
        public var free: Int { slots - used }

        static let columns =
            "key, slots, (SELECT coalesce(sum(units), 0) FROM limit_holder h WHERE h.key = l.key) AS used, set_at, set_by"

        init(_ row: inout RowReader) throws {
            guard let key = LimitKey(try row.next()) else { throw StoreError.corrupt("a limit has no name") }
            self.key = key
            (slots, used, setAt, setBy) = (try row.next(), try row.next(), try row.date(), try row.next())
        }
    }

    /// Attempts that go on already take from a new limit too.
    public func set(_ key: LimitKey, slots: Int, by: String) throws {
        if try find(key) == nil { try takeForLive(key) }
        try session.change(
            """
            INSERT INTO concurrency_limit (key, slots, set_at, set_by) VALUES (?, ?, ?, ?)
            ON CONFLICT (key) DO UPDATE SET slots = excluded.slots, set_at = excluded.set_at, set_by = excluded.set_by
            """, [key.description, slots, session.now.milliseconds, by])
    }

    private func takeForLive(_ key: LimitKey) throws {
        let pool = key.description.hasPrefix("pool:") ? String(key.description.dropFirst(5)) : nil
        try session.change(
            """
            INSERT OR IGNORE INTO limit_holder (key, attempt, units)
            SELECT ?1, a.id, CASE WHEN t.pool = ?2 THEN 1 ELSE json_extract(t.limits, '$."' || ?1 || '"') END
            FROM attempt a JOIN task t ON t.id = a.task
            WHERE a.lease_until IS NOT NULL AND (t.pool = ?2 OR json_extract(t.limits, '$."' || ?1 || '"') > 0)
            """, [key.description, pool])
    }

    /// Whether there was one.
    public func remove(_ key: LimitKey) throws -> Bool {
        try session.change("DELETE FROM limit_holder WHERE key = ?", [key.description])
        return try session.change("DELETE FROM concurrency_limit WHERE key = ?", [key.description]) > 0
    }

    public func find(_ key: LimitKey) throws -> Limit? {
        try session.first(Limit.self, Self.findSQL, [key.description])
    }

    /// By key.
    public func list() throws -> [Limit] { try session.all(Limit.self, "\(Self.selectSQL) ORDER BY key") }

    private static let selectSQL = """
        SELECT \(Limit.columns) FROM concurrency_limit l
        """
    private static let findSQL = "\(selectSQL) WHERE key = ?"

    /// Takes units for a live attempt, of limits that there are.
    public func take(_ units: [LimitKey: Int], for attempt: ID<Attempt>) throws {
        for (key, count) in units.sorted(by: { $0.key < $1.key }) {
            try session.change(
                "INSERT INTO limit_holder (key, attempt, units) VALUES (?, ?, ?)",
                [key.description, attempt.description, count])
        }
    }
}

extension TaskRow {
    /// Everything that an attempt at it takes from, its pool first.
    public var allLimits: [LimitKey: Int] { limits.merging([.pool(pool): 1]) { $0 + $1 } }

    /// What an attempt at it can keep others from, in a fixed order.
    public var competesFor: [Parking] {
        (output.map { [.output(environment: environment, $0)] } ?? []) + allLimits.keys.sorted().map(Parking.limit)
    }
}
