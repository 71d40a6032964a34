public import FlowForgeProtocol
public import Foundation
import NIOCore

extension OperatorClient {
    public func whoAmI() async throws -> OperatorAPI.PrincipalView { try await value(.get("/whoami")) }

    public func principals(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.PrincipalView> {
        try await value(.get("/principals", Self.page(after, limit)))
    }

    public func createPrincipal(_ request: OperatorAPI.CreatePrincipal) async throws -> OperatorAPI.PrincipalGrant {
        try await value(.post("/principals", request))
    }

    public func revokePrincipal(_ id: ID<Principal>) async throws { _ = try await exchange(.delete("/principals/\(id)")) }

    /// Oldest first, after the entry with the number `after`.
    public func audit(
        after: String? = nil, subject: String? = nil, action: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.AuditEntryView> {
        try await value(
            .get(
                "/audit",
                [("after", after), ("subject", subject), ("action", action), ("limit", limit.map(String.init))]))
    }

    /// The server's own OpenAPI document, as it is.
    public func openAPI() async throws -> Data { Data(try await exchange(.get("/openapi.json")).body.readableBytesView) }
}
