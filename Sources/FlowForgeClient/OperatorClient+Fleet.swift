public import FlowForgeProtocol

extension OperatorClient {
    public func joinTokens(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.JoinTokenView> {
        try await value(.get("/join-tokens", Self.page(after, limit)))
    }

    public func createJoinToken(_ request: OperatorAPI.CreateJoinToken) async throws -> OperatorAPI.JoinTokenGrant {
        try await value(.post("/join-tokens", request))
    }

    public func revokeJoinToken(_ id: ID<JoinToken>) async throws { _ = try await exchange(.delete("/join-tokens/\(id)")) }

    public func agents(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.AgentView> {
        try await value(.get("/agents", Self.page(after, limit)))
    }

    public func agent(_ id: ID<Agent>) async throws -> OperatorAPI.AgentView { try await value(.get("/agents/\(id)")) }

    /// The agent finishes what it runs and takes nothing new.
    public func drainAgent(_ id: ID<Agent>) async throws -> OperatorAPI.AgentView {
        try await value(.post("/agents/\(id)/drain"))
    }

    public func resumeAgent(_ id: ID<Agent>) async throws -> OperatorAPI.AgentView {
        try await value(.post("/agents/\(id)/resume"))
    }

    /// Final: none of the agent's certificates is accepted again.
    public func revokeAgent(_ id: ID<Agent>) async throws -> OperatorAPI.AgentView {
        try await value(.post("/agents/\(id)/revoke"))
    }
}
