public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// What people decided about an agent.
public enum AgentStanding: String, Sendable {
    case active, draining, revoked
}

public struct AgentRow: Sendable {
    public var id: ID<Agent>
    public var name: String
    public var pool: String
    public var standing: AgentStanding
    public var agentVersion: String
    public var engines: [AgentAPI.EngineOffer]
    public var labels: [String: String]
    public var slots: Int
    public var leases: Int
    public var joinedAt: Date
    public var lastPollAt: Date?
    /// Of its newest certificate.
    public var certificateNotAfter: Date
    /// Present while it does not start what it is given.
    public var deafness: Deafness?
}

public struct AgentQueries {
    let session: Session

    /// A newly joined agent.
    public func insert(_ id: ID<Agent>, name: String, pool: String, agentVersion: String) throws {
        try session.db.execute(
            sql: "INSERT INTO agent (id, name, pool, agent_version, joined_at) VALUES (?, ?, ?, ?, ?)",
            arguments: [id.description, name, pool, agentVersion, session.now.milliseconds])
    }

    /// An agent that joined again under its own id.
    public func rejoin(_ id: ID<Agent>, name: String, agentVersion: String) throws {
        try session.db.execute(
            sql: "UPDATE agent SET name = ?, agent_version = ? WHERE id = ? AND state <> 'revoked'",
            arguments: [name, agentVersion, id.description])
        try session.requireOneChange("agent \(id) is not there or revoked")
    }

    /// Records a poll as the agent's heartbeat and says how the agent stands. A revoked agent's poll
    /// records nothing. Throws ``StoreError/conflict(_:)`` for an agent that never joined.
    public func recordPoll(_ agent: ID<Agent>, _ request: AgentAPI.PollRequest) throws -> AgentStanding {
        let row = try session.row(
            """
            UPDATE agent SET agent_version = ?, engines = ?, labels = ?, slots = ?, last_poll_at = ?
            WHERE id = ? AND state <> 'revoked' RETURNING state
            """,
            [
                request.agentVersion, try jsonText(request.engines), try jsonText(request.labels), request.slots,
                session.now.milliseconds, agent.description,
            ])
        if let row { return try row.word("state") }
        guard let standing = try standing(of: agent) else { throw StoreError.conflict("agent \(agent) never joined") }
        return standing
    }

    public func standing(of agent: ID<Agent>) throws -> AgentStanding? {
        try session.value(String.self, "SELECT state FROM agent WHERE id = ?", [agent.description]).map {
            try StoreError.word($0, in: "agent.state")
        }
    }

    public func lastPoll(of agent: ID<Agent>) throws -> Date? {
        try session.row("SELECT last_poll_at FROM agent WHERE id = ?", [agent.description])?.date("last_poll_at")
    }

    public func name(of agent: ID<Agent>) throws -> String? {
        try session.row("SELECT name FROM agent WHERE id = ?", [agent.description])?["name"]
    }

    public func find(_ agent: ID<Agent>) throws -> AgentRow? {
        try fetch("a.id = ?\(session.inScope(pool: "a.pool"))", [agent.description]).first
    }

    /// Sorted by id, so by age; starts behind `after`.
    public func list(pool: String? = nil, after: ID<Agent>? = nil, limit: Int) throws -> [AgentRow] {
        try fetch(
            "a.id > ? AND (? IS NULL OR a.pool = ?)\(session.inScope(pool: "a.pool")) ORDER BY a.id LIMIT ?",
            [after?.description ?? "", pool, pool, limit])
    }

    /// Agents whose last poll is not before `since`, and all that are not revoked.
    public func count(onlineSince since: Date) throws -> (online: Int, all: Int) {
        let row = try Row.fetchOne(
            session.db,
            sql: """
                SELECT count(*) AS total, coalesce(sum(last_poll_at >= ?), 0) AS online FROM agent WHERE state <> 'revoked'
                """,
            arguments: [since.milliseconds])
        return (row?["online"] ?? 0, row?["total"] ?? 0)
    }

    /// Moves from one standing to another. Throws ``StoreError/conflict(_:)`` when it was not in `from`.
    public func move(_ agent: ID<Agent>, from: Set<AgentStanding>, to: AgentStanding) throws {
        let allowed = from.map(\.rawValue).sorted()
        try session.db.execute(
            sql: "UPDATE agent SET state = ? WHERE id = ? AND state IN (SELECT value FROM json_each(?))",
            arguments: [to.rawValue, agent.description, try jsonText(allowed)])
        try session.requireOneChange("agent \(agent) is not \(allowed.joined(separator: " or "))")
        session.accessChanges()
    }

    private func fetch(_ condition: String, _ arguments: StatementArguments) throws -> [AgentRow] {
        try Row.fetchAll(
            session.db,
            sql: """
                SELECT a.id, a.name, a.pool, a.state, a.agent_version, a.engines, a.labels, a.slots, a.joined_at,
                    a.last_poll_at, d.missed, d.leased_at, d.probe_at,
                    (SELECT count(*) FROM attempt t WHERE t.agent = a.id AND t.lease_until IS NOT NULL) AS leases,
                    (SELECT max(c.not_after) FROM agent_certificate c WHERE c.agent = a.id) AS certificate_not_after
                FROM agent a LEFT JOIN agent_deafness d ON d.agent = a.id WHERE \(condition)
                """,
            arguments: arguments
        ).map { row in
            AgentRow(
                id: try row.id("id"), name: row["name"], pool: row["pool"],
                standing: AgentStanding(rawValue: row["state"]) ?? .revoked, agentVersion: row["agent_version"],
                engines: try fromJSON([AgentAPI.EngineOffer].self, row["engines"]),
                labels: try fromJSON([String: String].self, row["labels"]), slots: row["slots"], leases: row["leases"],
                joinedAt: Date(milliseconds: row["joined_at"]), lastPollAt: row.date("last_poll_at"),
                certificateNotAfter: row.date("certificate_not_after") ?? Date(milliseconds: row["joined_at"]),
                deafness: (row["missed"] as Int?).map {
                    Deafness(missed: $0, leasedAt: row.date("leased_at"), probeAt: row.date("probe_at"))
                })
        }
    }
}

extension Session {
    public var agents: AgentQueries { AgentQueries(session: self) }
}
