public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var fileWatches: FileWatchQueries { FileWatchQueries(session: self) }
}

/// Who looks for the files of a trigger, and which it has been told of.
public struct FileWatchQueries {
    let session: Session

    public struct Watch: Sendable, Hashable {
        public var agent: ID<Agent>
        public var fencing: Int64
        public var until: Date
    }

    public func find(_ trigger: ID<Trigger>) throws -> Watch? {
        try session.row("SELECT * FROM file_watch WHERE trigger = ?", [trigger.description]).map {
            Watch(agent: try $0.id("agent"), fencing: $0["fencing"], until: Date(milliseconds: $0["until"]))
        }
    }

    /// Live file triggers whose files lie with the agents of the pool and that nobody looks for, or the agent
    /// itself; with who looked last.
    public func open(to agent: ID<Agent>, pool: String) throws -> [(trigger: TriggerRow, watch: Watch?)] {
        try session.rows(Self.openSQL, [pool, agent.description, session.now.milliseconds]).map { row in
            let holder: ID<Agent>? = try row.optionalID("holder")
            let watch = holder.map { Watch(agent: $0, fencing: row["fencing"], until: Date(milliseconds: row["until"])) }
            return (try TriggerRow(row), watch)
        }
    }

    static let openSQL = """
        SELECT t.*, w.agent AS holder, w.fencing AS fencing, w.until AS until
        FROM trigger t INDEXED BY trigger_by_pool LEFT JOIN file_watch w ON w.trigger = t.id
        WHERE t.pool = ?1 AND t.is_live = 1 AND t.kind = 'file' AND (w.agent IS NULL OR w.agent = ?2 OR w.until <= ?3)
        """

    /// The agent looks for the trigger's files from now on; what another still reports is dropped.
    public func take(_ trigger: ID<Trigger>, agent: ID<Agent>, until: Date) throws -> Int64 {
        let row = try session.row(
            """
            INSERT INTO file_watch (trigger, agent, fencing, until) VALUES (?1, ?2, 1, ?3)
            ON CONFLICT (trigger) DO UPDATE SET agent = ?2, fencing = fencing + 1, until = ?3 RETURNING fencing
            """, [trigger.description, agent.description, until.milliseconds])
        guard let row else { throw StoreError.failed("the watch of trigger \(trigger) was not returned") }
        return row["fencing"]
    }

    public func renew(_ trigger: ID<Trigger>, until: Date) throws {
        try session.change(
            "UPDATE file_watch SET until = ? WHERE trigger = ?", [until.milliseconds, trigger.description])
    }

    /// Nobody looks until somebody takes it.
    public func release(_ trigger: ID<Trigger>) throws {
        try session.change("UPDATE file_watch SET until = 0 WHERE trigger = ?", [trigger.description])
    }

    /// Remembers a file; `false` when the trigger was told of it before.
    public func arrived(_ digest: String, for trigger: ID<Trigger>) throws -> Bool {
        try session.change(
            "INSERT INTO arrival (trigger, file, arrived_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [trigger.description, digest, session.now.milliseconds]) > 0
    }
}
