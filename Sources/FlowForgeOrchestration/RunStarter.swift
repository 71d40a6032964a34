public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Logging

public struct RunStarter: Sendable {
    public init(store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger) {}
    public func start(_ request: OperatorAPI.StartRun, by actor: Actor) async throws -> (run: OperatorAPI.RunView, created: Bool) { fatalError() }
    public func cancel(_ run: ID<Run>, by actor: Actor) async throws -> OperatorAPI.RunView { fatalError() }
}
