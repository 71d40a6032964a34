public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var deafness: DeafnessQueries { DeafnessQueries(session: self) }
}

/// Which agents poll, are given work, and do not start it: a broken line back, a full process table, an
/// engine that hangs before it runs. They get no more of it but a probe now and then.
///
///     hearing ──``Deafness/tolerated`` answers missed──▶ deaf ──probe started──▶ hearing
///                                                        └──probe missed──▶ deaf, for twice as long
public struct DeafnessQueries {
    let session: Session

    /// How many tasks the agent may be given now, by this alone: any number, one probe, or none.
    public func allowance(_ agent: ID<Agent>) throws -> Int {
        guard let row = try find(agent), let probeAt = row.probeAt else { return .max }
        guard probeAt <= session.now else { return 0 }
        let isProbed = try session.row(
            "SELECT 1 FROM attempt WHERE agent = ? AND lease_until IS NOT NULL AND state = 'leased' LIMIT 1",
            [agent.description])
        return isProbed == nil ? 1 : 0
    }

    /// The agent holds or held a lease since `leasedAt` and has not started the work. Counts once for
    /// what was given in one answer, and only where the agent has polled since, for one that is gone is
    /// not deaf. Becoming deaf is audited.
    public func startMissed(_ agent: ID<Agent>, leasedAt: Date) throws {
        guard let polledAt = try session.agents.lastPoll(of: agent), polledAt > leasedAt else { return }
        var deafness = try find(agent) ?? Deafness()
        guard deafness.leasedAt.map({ leasedAt > $0 }) ?? true else { return }
        let wasDeaf = deafness.probeAt != nil
        deafness.missed(leasedAt: leasedAt, at: session.now)
        try session.change(
            """
            INSERT INTO agent_deafness (agent, missed, leased_at, probe_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (agent) DO UPDATE
                SET missed = excluded.missed, leased_at = excluded.leased_at, probe_at = excluded.probe_at
            """,
            [agent.description, deafness.missed, leasedAt.milliseconds, deafness.probeAt?.milliseconds])
        guard !wasDeaf, deafness.probeAt != nil else { return }
        try session.audit.append(
            actor: .system("orchestration"), action: "agent.deaf", subject: agent.description,
            detail: ["missed": .integer(Int64(deafness.missed))])
    }

    /// The agent has started, or ended, what it was given.
    public func started(_ agent: ID<Agent>) throws {
        guard let deafness = try find(agent) else { return }
        try session.change("DELETE FROM agent_deafness WHERE agent = ?", [agent.description])
        guard deafness.probeAt != nil else { return }
        try session.audit.append(
            actor: .system("orchestration"), action: "agent.hear", subject: agent.description,
            detail: ["missed": .integer(Int64(deafness.missed))])
    }

    public func find(_ agent: ID<Agent>) throws -> Deafness? {
        try session.first(
            Deafness.self, "SELECT \(Deafness.columns) FROM agent_deafness WHERE agent = ?", [agent.description])
    }
}

extension Deafness: StoredRow {
    static let columns = "missed, leased_at, probe_at"

    init(_ row: inout RowReader) throws {
        self.init(missed: try row.next(), leasedAt: try row.optionalDate(), probeAt: try row.optionalDate())
    }
}
