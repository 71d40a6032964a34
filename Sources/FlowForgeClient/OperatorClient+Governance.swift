public import FlowForgeProtocol
public import Foundation
import NIOCore

extension OperatorClient {
    public func whoAmI() async throws -> OperatorAPI.PrincipalView { try await value(.get("/whoami")) }

    /// By name.
    public func organisations(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.OrganisationView> {
        try await value(.get("/organisations", Self.page(after, limit)))
    }

    public func createOrganisation(_ request: OperatorAPI.CreateOrganisation) async throws -> OperatorAPI.OrganisationView {
        try await value(.post("/organisations", request))
    }

    /// By organisation and name.
    public func projects(
        organisation: String? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.ProjectView> {
        try await value(
            .get("/projects", [("organisation", organisation), ("after", after), ("limit", limit.map(String.init))]))
    }

    public func createProject(_ request: OperatorAPI.CreateProject) async throws -> OperatorAPI.ProjectView {
        try await value(.post("/projects", request))
    }

    public func principals(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.PrincipalView> {
        try await value(.get("/principals", Self.page(after, limit)))
    }

    public func createPrincipal(_ request: OperatorAPI.CreatePrincipal) async throws -> OperatorAPI.PrincipalGrant {
        try await value(.post("/principals", request))
    }

    public func revokePrincipal(_ id: ID<Principal>) async throws { _ = try await exchange(.delete("/principals/\(id)")) }

    /// A token that acts for the caller for a while.
    public func createToken(_ request: OperatorAPI.CreateToken) async throws -> OperatorAPI.TokenGrant {
        try await value(.post("/tokens", request))
    }

    /// The caller's, or with `all` everybody's.
    public func tokens(
        all: Bool = false, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.TokenView> {
        try await value(.get("/tokens", Self.page(after, limit) + [("all", all ? "true" : nil)]))
    }

    public func revokeToken(_ id: ID<ShortToken>) async throws { _ = try await exchange(.delete("/tokens/\(id)")) }

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
