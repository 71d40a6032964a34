public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// An agent's certificate as the control plane issued it.
public struct CertificateRow: Sendable {
    /// Hex, lower case.
    public var serial: String
    public var agent: ID<Agent>
    public var notAfter: Date
    public var revokedAt: Date?
    /// Of the agent.
    public var pool: String
    /// Of the agent.
    public var standing: AgentStanding
}

/// Every certificate that was issued to an agent. One that is not here was not issued by this
/// control plane, whoever signed it.
public struct CertificateQueries {
    let session: Session

    /// Also forgets the agent's certificates that expired a week ago: those are refused by their date.
    public func insert(serial: String, agent: ID<Agent>, notBefore: Date, notAfter: Date) throws {
        try session.db.execute(
            sql: "DELETE FROM agent_certificate WHERE agent = ? AND not_after < ?",
            arguments: [agent.description, session.now.addingTimeInterval(-7 * 86_400).milliseconds])
        try session.db.execute(
            sql: "INSERT INTO agent_certificate (serial, agent, not_before, not_after, issued_at) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                serial, agent.description, notBefore.milliseconds, notAfter.milliseconds, session.now.milliseconds,
            ])
    }

    public func find(serial: String) throws -> CertificateRow? {
        try session.row(
            """
            SELECT c.serial, c.agent, c.not_after, c.revoked_at, a.pool, a.state
            FROM agent_certificate c JOIN agent a ON a.id = c.agent WHERE c.serial = ?
            """, [serial]
        ).map { row in
            CertificateRow(
                serial: row["serial"], agent: try row.id("agent"), notAfter: Date(milliseconds: row["not_after"]),
                revokedAt: row.date("revoked_at"), pool: row["pool"],
                standing: AgentStanding(rawValue: row["state"]) ?? .revoked)
        }
    }

    /// Revokes whatever the agent holds; returns how many certificates that were.
    public func revokeAll(of agent: ID<Agent>) throws -> Int {
        try session.db.execute(
            sql: "UPDATE agent_certificate SET revoked_at = ? WHERE agent = ? AND revoked_at IS NULL",
            arguments: [session.now.milliseconds, agent.description])
        let revoked = session.db.changesCount
        session.accessChanges()
        return revoked
    }
}

extension Session {
    public var certificates: CertificateQueries { CertificateQueries(session: self) }
}
