public import FlowForgeProtocol
public import Foundation

extension OperatorClient {
    public func assets(
        environment: String, layer: Layer? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.AssetView> {
        try await value(
            .get(
                "/assets",
                [
                    ("environment", environment), ("layer", layer?.rawValue), ("after", after),
                    ("limit", limit.map(String.init)),
                ]))
    }

    public func asset(_ name: AssetName, environment: String) async throws -> OperatorAPI.AssetView {
        try await value(.get("/assets/\(name)", [("environment", environment)]))
    }

    public func lineage(
        of asset: AssetName, column: String? = nil, environment: String, direction: OperatorAPI.LineageDirection,
        depth: Int? = nil, at time: Date? = nil
    ) async throws -> OperatorAPI.LineageView {
        try await value(
            .get(
                "/lineage",
                [
                    ("environment", environment), ("asset", asset.description), ("column", column),
                    ("direction", direction.rawValue), ("depth", depth.map(String.init)), ("at", time.map(WireCoding.text)),
                ]))
    }
}
