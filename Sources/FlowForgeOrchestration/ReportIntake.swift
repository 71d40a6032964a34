public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Logging

public struct ReportIntake: Sendable {
    public init(store: Store, observers: [any CompletionObserver], wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger) {}
    public func accept(_ report: AgentAPI.ReportRequest, from agent: AgentIdentity) async throws -> AgentAPI.ReportResponse { fatalError() }
}
