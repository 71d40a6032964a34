public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Synchronization

/// Notices that two processes use one agent's identity: see `ProcessWatch`.
///
/// Kept in memory: after a restart of the control plane whoever polls first speaks, and the other
/// takes over, as at any first contact.
public final class AgentProcesses: Sendable {
    private let store: Store
    private let refusals: RefusalTrail
    private let takenOver: @Sendable (ID<Agent>) -> Void
    private let watches = Mutex<[ID<Agent>: ProcessWatch]>([:])

    /// `takenOver` is called when an agent is heard from another process than before, so that a held poll
    /// of the former is answered and shows whether it lives.
    public init(
        store: Store, refusals: RefusalTrail, takenOver: @escaping @Sendable (ID<Agent>) -> Void = { _ in }
    ) {
        self.store = store
        self.refusals = refusals
        self.takenOver = takenOver
    }

    /// Throws ``ErrorCode/agentCloned``, logged and audited, for a process that has been succeeded and
    /// goes on polling, and ``ErrorCode/conflict`` where that is not certain yet.
    public func admit(_ request: AgentAPI.PollRequest, from agent: AgentIdentity) async throws {
        guard let process = request.process, let sequence = request.sequence else { return }
        let now = store.now()
        let verdict = watches.withLock { $0[agent.id, default: ProcessWatch()].polled(by: process, sequence: sequence, at: now) }
        switch verdict {
        case .speaks: return
        case .takesOver: takenOver(agent.id)
        case .late:
            throw APIError(
                .conflict, "a younger poll of agent \(agent.id) came before this one", hint: "poll again",
                metadata: ["process": process.description])
        case .cloned: throw await refusal(of: process, agent)
        }
    }

    /// Throws ``ErrorCode/agentCloned`` for a process that has been succeeded: its spool may be a copy
    /// whose numbers mean other events.
    public func admit(_ report: AgentAPI.ReportRequest, from agent: AgentIdentity) async throws {
        guard let process = report.process else { return }
        if watches.withLock({ $0[agent.id]?.isFormer(process) ?? false }) { throw await refusal(of: process, agent) }
    }

    private func refusal(of process: ID<AgentProcess>, _ agent: AgentIdentity) async -> APIError {
        let error = APIError(
            .agentCloned, "agent \(agent.id) has been taken over by a process that started after \(process)",
            hint: "two machines use one agent's key and state folder; join the copy as a new agent: "
                + "`flowforge-agent join --force`",
            metadata: ["process": process.description])
        await refusals.record(actor: agent.actor, action: "agent.poll", subject: agent.id.description, error: error)
        return error
    }
}
