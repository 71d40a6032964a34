public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// How much of everything there is, for `/metrics`. None of the queries reads more rows than there
/// are agents and waiting tasks.
public struct FigureQueries {
    let session: Session

    /// States without a run are left out.
    public func runs() throws -> [RunState: Int] { try counts("run") }

    public func tasks() throws -> [TaskState: Int] { try counts("task") }

    public func attempts() throws -> [AttemptState: Int] { try counts("attempt") }

    /// Those that retention removed, by the state they had.
    public func removedAttempts() throws -> [AttemptState: Int] {
        let rows = try Row.fetchAll(session.db, sql: "SELECT state, count FROM removed_count")
        return Dictionary(rows.map { (AttemptState(rawValue: $0["state"]) ?? .unknown, $0["count"]) }, uniquingKeysWith: +)
    }

    /// An active agent is online when its last poll is younger than `presence`.
    public func agents(presence: Duration) throws -> [AgentState: Int] {
        let since = session.now.addingTimeInterval(-Double(presence.components.seconds)).milliseconds
        let rows = try Row.fetchAll(
            session.db,
            sql: """
                SELECT CASE WHEN state <> 'active' THEN state WHEN last_poll_at IS NULL OR last_poll_at <= ? THEN 'offline'
                    WHEN d.probe_at IS NOT NULL THEN 'deaf' ELSE 'online' END AS shown, count(*) AS count
                FROM agent LEFT JOIN agent_deafness d ON d.agent = agent.id GROUP BY shown
                """,
            arguments: [since])
        return Dictionary(uniqueKeysWithValues: rows.map { (AgentState(rawValue: $0["shown"]) ?? .unknown, $0["count"]) })
    }

    public struct ReadyTasks: Sendable, Hashable {
        public var pool: String
        public var count: Int
        /// Since when the first of them could have been claimed; in the future while its retry is delayed.
        public var oldest: Date
    }

    /// By pool; pools without a ready task are left out.
    public func readyTasks() throws -> [ReadyTasks] {
        try Row.fetchAll(
            session.db,
            sql: """
                SELECT pool, count(*) AS count, min(ready_at) AS oldest FROM task WHERE state = 'ready'
                GROUP BY pool ORDER BY pool
                """
        ).map { ReadyTasks(pool: $0["pool"], count: $0["count"], oldest: Date(milliseconds: $0["oldest"])) }
    }

    private func counts<State: WireEnum>(_ noun: String) throws -> [State: Int] {
        let rows = try Row.fetchAll(
            session.db, sql: "SELECT state, count FROM state_count WHERE noun = ?", arguments: [noun])
        return Dictionary(rows.map { (State(rawValue: $0["state"]) ?? .unknown, $0["count"]) }, uniquingKeysWith: +)
    }
}

extension Session {
    public var figures: FigureQueries { FigureQueries(session: self) }
}
