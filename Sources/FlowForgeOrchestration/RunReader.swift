public import FlowForgeProtocol
public import FlowForgeStore

public struct RunReader: Sendable {
    public init(store: Store, wakeUps: WakeUps) {}
    public func list(environment: String?, state: RunState?, after: String?, limit: Int) async throws -> OperatorAPI.Page<OperatorAPI.RunView> { fatalError() }
    public func run(_ id: ID<Run>, since: Int64?, waiting: Duration) async throws -> OperatorAPI.RunView { fatalError() }
    public func logs(_ id: ID<Run>, task: String?, after: String?, limit: Int, waiting: Duration) async throws -> OperatorAPI.LogPage { fatalError() }
    public func lineageEvents(_ id: ID<Run>) async throws -> [OpenLineage.RunEvent] { fatalError() }
}
