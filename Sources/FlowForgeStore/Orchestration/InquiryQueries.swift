public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A question about the lake, and what came of it.
public struct InquiryRow: Sendable, Hashable {
    public var id: ID<Inquiry>
    public var pool: String
    public var environment: String
    public var question: InquiryQuestion
    public var state: InquiryState
    /// Who works on it, or did last.
    public var agent: ID<Agent>?
    public var fencing: Int64
    public var askedAt: Date
    public var askedBy: String
    public var deadline: Date
    /// When it became final.
    public var endedAt: Date?
    /// Present exactly when `answered`.
    public var answer: InquiryAnswer?
    /// Present when `failed`.
    public var error: TaskError?
}

extension Session {
    public var inquiries: InquiryQueries { InquiryQueries(session: self) }
}

/// Inquiries from question to answer:
///
///     asked ─▶ taken ─▶ answered | failed
///       ▲        │
///       └────────┘ the agent is gone        asked, taken ─▶ expired | withdrawn
public struct InquiryQueries {
    let session: Session

    /// An agent that is not heard from for so long loses its question to another; more than three polls.
    static let lease = 90.0
    /// So many agents may be lost over a question before it is given up.
    static let mostTakers: Int64 = 5
    /// What is final is forgotten after 30 days, some rows with each new question.
    static let kept = 30 * 86_400.0

    /// `deadline` is when nobody waits for the answer any more.
    public func insert(
        _ question: InquiryQuestion, pool: String, environment: String, deadline: Date, by actor: String
    ) throws -> ID<Inquiry> {
        try session.change(
            """
            DELETE FROM inquiry WHERE number IN
                (SELECT number FROM inquiry WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT 100)
            """, [(session.now - Self.kept).milliseconds])
        let id = ID<Inquiry>.make(at: session.now)
        try session.change(
            """
            INSERT INTO inquiry (id, pool, environment, kind, question, state, deadline_at, asked_at, asked_by)
            VALUES (?, ?, ?, ?, ?, 'asked', ?, ?, ?)
            """,
            [
                id.description, pool, environment, question.kind, try jsonText(question), deadline.milliseconds,
                session.now.milliseconds, actor,
            ])
        return id
    }

    /// One whose deadline has passed is `expired`, also before that was written down.
    public func find(_ id: ID<Inquiry>) throws -> InquiryRow? {
        guard var row = try session.row("SELECT * FROM inquiry WHERE id = ?", [id.description]).map(Self.inquiry) else {
            return nil
        }
        if !row.state.isFinal, row.deadline <= session.now {
            row.state = .expired
            row.endedAt = row.deadline
        }
        return row
    }

    /// What the agent works on. Called with each of its polls; with `isAlive` its poll has just arrived, which
    /// prolongs them.
    public func held(by agent: ID<Agent>, isAlive: Bool) throws -> [InquiryRow] {
        let rows = try session.rows(Self.heldSQL, [agent.description, session.now.milliseconds]).map(Self.inquiry)
        if isAlive, !rows.isEmpty {
            // Each poll would be a write for nothing.
            try session.change(
                "UPDATE inquiry SET lease_until = ?1 WHERE agent = ?2 AND state = 'taken' AND lease_until < ?3",
                [
                    (session.now + Self.lease).milliseconds, agent.description,
                    (session.now + Self.lease / 2).milliseconds,
                ])
        }
        return rows
    }

    static let heldSQL = """
        SELECT * FROM inquiry INDEXED BY inquiry_taken WHERE agent = ? AND state = 'taken' AND deadline_at > ?
        ORDER BY number
        """

    /// The oldest of the pool that nobody works on any more and that is of one of these kinds becomes the
    /// agent's. One over which too many agents were lost fails instead.
    public func take(pool: String, kinds: [String], agent: ID<Agent>) throws -> InquiryRow? {
        let now = session.now.milliseconds
        for row in try session.rows(Self.openSQL, [pool, now, try jsonText(kinds)]) {
            let (number, fencing): (Int64, Int64) = (row["number"], row["fencing"])
            guard fencing < Self.mostTakers else {
                let error = TaskError(
                    code: "agents_lost", message: "\(fencing) agents were given the question and none answered",
                    hint: "look at the agents' logs")
                try end(number, .failed, answer: nil, error: error)
                continue
            }
            try session.change(
                """
                UPDATE inquiry SET state = 'taken', agent = ?, fencing = fencing + 1, lease_until = ? WHERE number = ?
                """, [agent.description, (session.now + Self.lease).milliseconds, number])
            return try session.row("SELECT * FROM inquiry WHERE number = ?", [number]).map(Self.inquiry)
        }
        return nil
    }

    static let openSQL = """
        SELECT * FROM inquiry INDEXED BY inquiry_open WHERE pool = ?1 AND state IN ('asked', 'taken') AND deadline_at > ?2
            AND (lease_until IS NULL OR lease_until <= ?2) AND kind IN (SELECT value FROM json_each(?3))
        ORDER BY number LIMIT 20
        """

    /// Whether the answer is the first under the current fencing number of who is to answer; only then it counts.
    public func accept(_ answered: AgentAPI.Answered, from agent: ID<Agent>) throws -> Bool {
        guard let row = try session.row("SELECT * FROM inquiry WHERE id = ?", [answered.inquiry.description]) else {
            return false
        }
        let inquiry = try Self.inquiry(row)
        guard inquiry.state == .taken, inquiry.agent == agent, inquiry.fencing == answered.fencing, inquiry.deadline > session.now
        else { return false }
        var (answer, error) = (answered.answer, answered.error)
        if let given = answer, given.kind != inquiry.question.kind {
            answer = nil
            error = TaskError(
                code: "invalid_report", message: "the agent answered another question",
                hint: "agent and control plane may not fit; compare versions")
        }
        if answer == nil, error == nil { error = TaskError(code: "unknown", message: "the agent gave no reason") }
        try end(row["number"], answer == nil ? .failed : .answered, answer: answer, error: answer == nil ? error : nil)
        return true
    }

    /// Nobody wants to know any more; the agent hears it with its next poll. Nothing happens where it is final.
    public func withdraw(_ id: ID<Inquiry>) throws {
        let row = try session.row("SELECT number FROM inquiry WHERE id = ? AND state IN ('asked', 'taken')", [id.description])
        if let number: Int64 = row?["number"] { try end(number, .withdrawn, answer: nil, error: nil) }
    }

    /// Whether some deadline has passed.
    public func isOverdue() throws -> Bool { try session.exists(Self.overdueSQL, [session.now.milliseconds, 1]) }

    /// Writes down up to `limit` whose deadline has passed; returns how many.
    public func expire(limit: Int) throws -> Int {
        let overdue = try session.rows(Self.overdueSQL, [session.now.milliseconds, limit])
        for row in overdue { try end(row["number"], .expired, answer: nil, error: nil) }
        return overdue.count
    }

    static let overdueSQL = """
        SELECT number FROM inquiry INDEXED BY inquiry_by_deadline
        WHERE state IN ('asked', 'taken') AND deadline_at <= ? ORDER BY deadline_at LIMIT ?
        """

    private func end(_ number: Int64, _ state: InquiryState, answer: InquiryAnswer?, error: TaskError?) throws {
        try session.change(
            "UPDATE inquiry SET state = ?, lease_until = NULL, answer = ?, error = ?, ended_at = ? WHERE number = ?",
            [state.rawValue, try answer.map(jsonText), try error.map(jsonText), session.now.milliseconds, number])
    }

    private static func inquiry(_ row: Row) throws -> InquiryRow {
        InquiryRow(
            id: try row.id("id"), pool: row["pool"], environment: row["environment"],
            question: try row.json(InquiryQuestion.self, "question"), state: try row.word("state"),
            agent: try row.optionalID("agent"), fencing: row["fencing"], askedAt: Date(milliseconds: row["asked_at"]),
            askedBy: row["asked_by"], deadline: Date(milliseconds: row["deadline_at"]), endedAt: row.date("ended_at"),
            answer: try row.optionalJSON(InquiryAnswer.self, "answer"), error: try row.optionalJSON(TaskError.self, "error"))
    }
}
