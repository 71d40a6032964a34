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
