public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Logging

/// Takes in what agents report: stores a batch and acknowledges it in one transaction.
public struct ReportIntake: Sendable {
    private let store: Store
    private let observers: [any CompletionObserver]
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings
    private let logger: Logger
    private let refusals: RefusalTrail

    /// `observers` take part in the transaction of each accepted outcome, in this order.
    public init(
        store: Store, observers: [any CompletionObserver], wakeUps: WakeUps,
        settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger
    ) {
        self.store = store
        self.observers = observers
        self.wakeUps = wakeUps
        self.settings = settings
        self.logger = logger
        refusals = RefusalTrail(store: store, logger: logger)
    }

    /// Events that were acknowledged before are skipped, so a batch may be repeated. Events under a
    /// lease that is not current are dropped and their leases returned. Throws ``APIError`` `conflict`
    /// with `metadata["expected"]`, the number that must come next, when numbers are missing before or
    /// within the batch; nothing of it is then stored, and the audit trail says so: somewhere reports were lost.
    public func accept(
        _ report: AgentAPI.ReportRequest, from agent: AgentIdentity
    ) async throws -> AgentAPI.ReportResponse {
        let batch: ReportBatch.Result
        do {
            batch = try await store.write { session in
                var batch = ReportBatch(session: session, agent: agent, settings: settings, observers: observers)
                try batch.store(report)
                try batch.stager.wakes.send(through: wakeUps, in: session)
                return batch.result
            }
        } catch let error as APIError where error.metadata["expected"] != nil {
            await refusals.record(actor: agent.actor, action: "spool.report", subject: report.spool.description, error: error)
            throw error
        }
        for note in batch.notes {
            logger.log(level: note.level, "\(note.text)", metadata: ["agent": "\(agent.id)", "attempt": "\(note.attempt)"])
        }
        return batch.response
    }
}
