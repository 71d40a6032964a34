public import FlowForgeProtocol

extension OperatorClient {
    /// A new run from one that has ended.
    public func rerun(_ run: ID<Run>, _ request: OperatorAPI.RerunRequest) async throws -> OperatorAPI.RunView {
        try await value(.post("/runs/\(run)/rerun", request))
    }

    public func flows(environment: String) async throws -> OperatorAPI.Page<OperatorAPI.FlowView> {
        try await value(.get("/environments/\(Self.escape(environment))/flows"))
    }

    public func pauseFlow(
        _ flow: String, environment: String, _ request: OperatorAPI.PauseFlow
    ) async throws -> OperatorAPI.FlowView {
        try await value(
            .post("/environments/\(Self.escape(environment))/flows/\(Self.escape(flow))/pause", request))
    }

    public func resumeFlow(
        _ flow: String, environment: String, _ request: OperatorAPI.ResumeFlow
    ) async throws -> OperatorAPI.FlowView {
        try await value(
            .post("/environments/\(Self.escape(environment))/flows/\(Self.escape(flow))/resume", request))
    }

    public func limits() async throws -> OperatorAPI.Page<OperatorAPI.LimitView> { try await value(.get("/limits")) }

    public func setLimit(_ key: String, slots: Int) async throws -> OperatorAPI.LimitView {
        try await value(.put("/limits/\(Self.escape(key))", OperatorAPI.SetLimit(slots: slots)))
    }

    public func removeLimit(_ key: String) async throws { _ = try await exchange(.delete("/limits/\(Self.escape(key))")) }
}
