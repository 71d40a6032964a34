public import FlowForgeProtocol
internal import GRDB

extension Session {
    public var spools: SpoolQueries { SpoolQueries(session: self) }
}

/// How far the reports of each agent's spool have been stored.
public struct SpoolQueries {
    let session: Session

    /// The agent whose spool it is, and the acknowledged number; `nil` for one that never reported.
    public func find(_ id: ID<Spool>) throws -> SpoolRow? {
        try session.first(SpoolRow.self, "SELECT \(SpoolRow.columns) FROM spool WHERE id = ?", [id.description])
    }

    /// `dropped` more events were lost on the agent.
    public func advance(_ id: ID<Spool>, of agent: ID<Agent>, to last: Int64, dropped: Int64) throws {
        try session.change(
            """
            INSERT INTO spool (id, agent, last, dropped, reported_at) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE
                SET last = excluded.last, dropped = dropped + excluded.dropped, reported_at = excluded.reported_at
            """,
            [id.description, agent.description, last, dropped, session.now.milliseconds])
    }

    /// Events that all agents together said they dropped.
    public func dropped() throws -> Int64 {
        try session.row("SELECT coalesce(sum(dropped), 0) AS dropped FROM spool")?["dropped"] ?? 0
    }
}

public struct SpoolRow: Sendable, StoredRow {
    public var agent: ID<Agent>
    public var last: Int64

    static let columns = "agent, last"
    init(_ row: inout RowReader) throws { (agent, last) = (try row.id(), try row.next()) }
}
