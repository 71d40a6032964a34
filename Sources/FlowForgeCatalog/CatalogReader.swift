public import FlowForgeProtocol
public import FlowForgeStore

public struct CatalogReader: Sendable {
    public init(store: Store) {}
    public func assets(environment: String, layer: Layer?, after: String?, limit: Int) async throws -> OperatorAPI.Page<OperatorAPI.AssetView> { fatalError() }
    public func asset(_ name: AssetName, environment: String) async throws -> OperatorAPI.AssetView { fatalError() }
    public func lineage(of asset: AssetName, column: String?, environment: String, direction: OperatorAPI.LineageDirection, depth: Int) async throws -> OperatorAPI.LineageView { fatalError() }
}
