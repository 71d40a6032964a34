public import FlowForgeProtocol

extension OperatorClient {
    /// Makes the environment as declared, or tells what that would change.
    public func applyEnvironment(
        _ name: String, _ request: OperatorAPI.ApplyEnvironment
    ) async throws -> OperatorAPI.AppliedEnvironment {
        try await value(.put("/environments/\(Self.escape(name))", request))
    }

    public func overrideVariable(
        _ variable: String, of environment: String, _ request: OperatorAPI.OverrideVariable
    ) async throws -> OperatorAPI.EnvironmentView {
        try await value(.put("/environments/\(Self.escape(environment))/overrides/\(Self.escape(variable))", request))
    }

    public func removeOverride(_ variable: String, of environment: String) async throws -> OperatorAPI.EnvironmentView {
        try await value(.delete("/environments/\(Self.escape(environment))/overrides/\(Self.escape(variable))"))
    }

    /// `created` is false where an equal plan was there.
    public func makePlan(
        _ request: OperatorAPI.MakePlan, environment: String
    ) async throws -> (plan: OperatorAPI.PlanView, created: Bool) {
        try await created(.post("/environments/\(Self.escape(environment))/plans", request))
    }

    public func plan(_ digest: String) async throws -> OperatorAPI.PlanView {
        try await value(.get("/plans/\(Self.escape(digest))"))
    }

    /// Newest first.
    public func plans(
        environment: String? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.PlanView> {
        try await value(.get("/plans", Self.page(after, limit) + Self.environment(environment)))
    }

    public func approvePlan(_ digest: String, _ request: OperatorAPI.Approve) async throws -> OperatorAPI.PlanView {
        try await value(.post("/plans/\(Self.escape(digest))/approvals", request))
    }

    public func overrideGate(
        _ gate: String, of digest: String, _ request: OperatorAPI.GateWord
    ) async throws -> OperatorAPI.PlanView {
        try await value(.post("/plans/\(Self.escape(digest))/gates/\(Self.escape(gate))/override", request))
    }

    public func answerGate(
        _ gate: String, of digest: String, _ request: OperatorAPI.GateWord
    ) async throws -> OperatorAPI.PlanView {
        try await value(.post("/plans/\(Self.escape(digest))/gates/\(Self.escape(gate))/answer", request))
    }

    public func gateSecret(_ gate: String, of environment: String) async throws -> GateAPI.SecretView {
        try await value(.get("/environments/\(Self.escape(environment))/gates/\(Self.escape(gate))/secret"))
    }

    /// `created` is false where the same change is under way already.
    public func requestPromotion(
        _ request: OperatorAPI.RequestPromotion
    ) async throws -> (promotion: OperatorAPI.PromotionView, created: Bool) {
        try await created(.post("/promotions", request))
    }

    public func promotion(_ id: ID<Promotion>) async throws -> OperatorAPI.PromotionView {
        try await value(.get("/promotions/\(id)"))
    }

    /// Newest first.
    public func promotions(
        environment: String? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.PromotionView> {
        try await value(.get("/promotions", Self.page(after, limit) + Self.environment(environment)))
    }

    public func cancelPromotion(_ id: ID<Promotion>) async throws -> OperatorAPI.PromotionView {
        try await value(.post("/promotions/\(id)/cancel"))
    }

    public func drift(_ environment: String) async throws -> OperatorAPI.DriftView {
        try await value(.get("/environments/\(Self.escape(environment))/drift"))
    }

    public func lookForDrift(_ environment: String) async throws -> OperatorAPI.DriftView {
        try await value(.post("/environments/\(Self.escape(environment))/drift"))
    }

    public func adoptDrift(_ key: String, of environment: String) async throws -> OperatorAPI.DriftView {
        try await value(.post("/environments/\(Self.escape(environment))/drift/\(Self.escape(key))/adopt"))
    }

    public func revertDrift(_ key: String, of environment: String) async throws -> OperatorAPI.DriftView {
        try await value(.post("/environments/\(Self.escape(environment))/drift/\(Self.escape(key))/revert"))
    }

    public func suppressDrift(
        _ key: String, of environment: String, _ request: OperatorAPI.SuppressDrift
    ) async throws -> OperatorAPI.DriftView {
        try await value(.put("/environments/\(Self.escape(environment))/drift/\(Self.escape(key))/suppression", request))
    }

    public func unsuppressDrift(_ key: String, of environment: String) async throws -> OperatorAPI.DriftView {
        try await value(.delete("/environments/\(Self.escape(environment))/drift/\(Self.escape(key))/suppression"))
    }

    private static func environment(_ name: String?) -> [(String, String?)] { [("environment", name)] }
}
