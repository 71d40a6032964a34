import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import Hummingbird

extension OperatorRoutes {
    /// The farthest that a lineage question may go, and how far one goes that does not say.
    private static let deepestLineage = 50

    func addAssets(_ catalog: CatalogReader) {
        get("assets") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "layer", "after", "limit"])
            let page = try query.page()
            return try .json(
                try await catalog.assets(
                    environment: try query.required("environment"), layer: try query.choice("layer", Layer.self),
                    after: page.after, limit: page.limit))
        }
        get("assets/:asset") { request, context, _ in
            let environment = try OperatorQuery(request, allowing: ["environment"]).required("environment")
            let name = try OperatorQuery.asset(try context.part("asset"), field: "asset")
            return try .json(try await catalog.asset(name, environment: environment))
        }
        get("lineage") { request, _, _ in
            let query = try OperatorQuery(request, allowing: ["environment", "asset", "column", "direction", "depth", "at"])
            return try .json(
                try await catalog.lineage(
                    of: try query.asset("asset"), column: query.text("column"),
                    environment: try query.required("environment"),
                    direction: try query.choice("direction", OperatorAPI.LineageDirection.self) ?? .upstream,
                    depth: try query.integer("depth", in: 1...Self.deepestLineage) ?? Self.deepestLineage,
                    at: try query.time("at")))
        }
    }
}
