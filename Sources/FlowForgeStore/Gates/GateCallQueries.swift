public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// One question to another system: about one plan, for one gate.
public struct GateCallRow: Sendable, Hashable {
    public enum State: String, Sendable, CaseIterable {
        case open
        /// It took the question and answers later.
        case told
        case answered
        case givenUp = "given_up"
    }

    /// The `webhook-id`, the same for each attempt.
    public var id: ID<GateCall>
    public var plan: String
    public var gate: String
    public var promotion: ID<Promotion>
    public var state: State
    /// Failed ones.
    public var attempts: Int
    public var nextAt: Date
    public var lastError: String
    public var finishedAt: Date?

    public init(id: ID<GateCall>, plan: String, gate: String, promotion: ID<Promotion>, nextAt: Date) {
        self.id = id
        self.plan = plan
        self.gate = gate
        self.promotion = promotion
        state = .open
        attempts = 0
        self.nextAt = nextAt
        lastError = ""
    }
}

extension Session {
    public var gateCalls: GateCallQueries { GateCallQueries(session: self) }
}

public struct GateCallQueries {
    let session: Session

    /// Of an error, in bytes.
    static let longestError = 500

    public func find(plan: String, gate: String) throws -> GateCallRow? {
        try session.row("SELECT * FROM gate_call WHERE plan = ? AND gate = ?", [plan, gate]).map(GateCallRow.init)
    }

    public func of(plan: String) throws -> [GateCallRow] {
        try session.rows("SELECT * FROM gate_call WHERE plan = ? ORDER BY gate", [plan]).map(GateCallRow.init)
    }

    /// Stored anew, whatever was there for the plan and gate.
    public func put(_ row: GateCallRow) throws {
        try session.change(
            """
            INSERT INTO gate_call (plan, gate, id, promotion, state, attempts, next_at, last_error, created_at)
            VALUES (?, ?, ?, ?, 'open', 0, ?, '', ?)
            ON CONFLICT (plan, gate) DO UPDATE SET id = excluded.id, promotion = excluded.promotion, state = 'open',
                attempts = 0, next_at = excluded.next_at, last_error = '', created_at = excluded.created_at, finished_at = NULL
            """,
            [
                row.plan, row.gate, row.id.description, row.promotion.description, row.nextAt.milliseconds,
                session.now.milliseconds,
            ])
    }

    /// Those whose time has come, the longest waiting first.
    public func due(limit: Int) throws -> [GateCallRow] {
        try session.rows(
            "SELECT * FROM gate_call WHERE state = 'open' AND next_at <= ? ORDER BY next_at LIMIT ?",
            [session.now.milliseconds, limit]
        ).map(GateCallRow.init)
    }

    /// When the next one is due.
    public func nextDue() throws -> Date? {
        try session.row("SELECT min(next_at) AS next FROM gate_call WHERE state = 'open'")?.date("next")
    }

    /// Nothing when the call has ended, or was made anew, meanwhile.
    public func failed(_ row: GateCallRow, error: String, nextAt: Date) throws {
        try session.change(
            """
            UPDATE gate_call SET attempts = attempts + 1, next_at = ?, last_error = ?
            WHERE plan = ? AND gate = ? AND id = ? AND state = 'open'
            """, [nextAt.milliseconds, Self.short(error), row.plan, row.gate, row.id.description])
    }

    /// Ends it; `told` may still become `answered`. Nothing when there is none. Returns whether it has moved.
    @discardableResult
    public func end(plan: String, gate: String, _ state: GateCallRow.State, error: String = "") throws -> Bool {
        try session.change(
            """
            UPDATE gate_call SET state = ?1, last_error = CASE WHEN ?2 = '' THEN last_error ELSE ?2 END, finished_at = ?3
            WHERE plan = ?4 AND gate = ?5 AND (state = 'open' OR (?1 = 'answered' AND state <> 'answered'))
            """, [state.rawValue, Self.short(error), session.now.milliseconds, plan, gate]) == 1
    }

    /// Whether this is the first time that the answer's id is seen. Ids from before `cutoff` are forgotten.
    public func receive(_ message: String, plan: String, gate: String, forgettingBefore cutoff: Date) throws -> Bool {
        try session.change("DELETE FROM gate_receipt WHERE at < ?", [cutoff.milliseconds])
        return try session.change(
            "INSERT INTO gate_receipt (plan, gate, message, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [plan, gate, message, session.now.milliseconds]) == 1
    }

    private static func short(_ text: String) -> String { String(text.prefix(longestError)) }
}

extension GateCallRow {
    fileprivate init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), plan: row["plan"], gate: row["gate"], promotion: try row.id("promotion"),
            nextAt: Date(milliseconds: row["next_at"]))
        state = try row.word("state")
        attempts = row["attempts"]
        lastError = row["last_error"]
        finishedAt = row.date("finished_at")
    }
}
