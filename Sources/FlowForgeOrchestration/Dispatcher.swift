public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Logging

public struct Dispatcher: Sendable {
    public init(store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger) {}
    public func poll(_ request: AgentAPI.PollRequest, from agent: AgentIdentity) async throws -> AgentAPI.PollResponse { fatalError() }
}
