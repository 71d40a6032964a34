public import FlowForgeStore
public import Logging
public import ServiceLifecycle

public struct LeaseReaper: Service {
    public init(store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger) {}
    public func run() async throws { fatalError() }
}
