import FlowForgeProtocol
import Hummingbird

/// The OpenAPI 3.1 document of the operator API.
enum OpenAPIDocument {
    static let bytes = PackageResources.openapi_json
}

extension OperatorRoutes {
    func addDocument() {
        get("openapi.json") { request, _, _ in
            _ = try OperatorQuery(request)
            return .json(bytes: OpenAPIDocument.bytes)
        }
    }
}
