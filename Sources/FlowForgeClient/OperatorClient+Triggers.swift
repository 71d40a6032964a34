public import FlowForgeProtocol

extension OperatorClient {
    /// Oldest first; only those that a current release declares unless `all`.
    public func triggers(
        environment: String? = nil, all: Bool = false, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.TriggerView> {
        try await value(
            .get(
                "/triggers",
                [
                    ("environment", environment), ("all", all ? "true" : nil), ("after", after),
                    ("limit", limit.map(String.init)),
                ]))
    }

    public func trigger(_ id: ID<Trigger>) async throws -> OperatorAPI.TriggerView {
        try await value(.get("/triggers/\(id)"))
    }

    /// Newest first.
    public func ticks(
        of trigger: ID<Trigger>, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.TickView> {
        try await value(.get("/triggers/\(trigger)/ticks", Self.page(after, limit)))
    }

    public func preview(_ trigger: ID<Trigger>, count: Int) async throws -> OperatorAPI.TriggerPreview {
        try await value(.get("/triggers/\(trigger)/preview", [("count", "\(count)")]))
    }

    public func pauseTrigger(_ id: ID<Trigger>) async throws -> OperatorAPI.TriggerView {
        try await value(.post("/triggers/\(id)/pause"))
    }

    public func resumeTrigger(_ id: ID<Trigger>) async throws -> OperatorAPI.TriggerView {
        try await value(.post("/triggers/\(id)/resume"))
    }

    /// `created` is false where the key had fired this tick before.
    public func fireTrigger(
        _ id: ID<Trigger>, key: String? = nil
    ) async throws -> (tick: OperatorAPI.TickView, created: Bool) {
        try await created(.post("/triggers/\(id)/fire", OperatorAPI.FireTrigger(key: key)))
    }

    /// A new secret of a webhook; the one before holds for `keepOldSeconds` more.
    public func makeWebhookSecret(
        _ id: ID<Trigger>, keepOldSeconds: Int? = nil
    ) async throws -> OperatorAPI.WebhookSecret {
        try await value(.post("/triggers/\(id)/secret", OperatorAPI.MakeWebhookSecret(keepOldSeconds: keepOldSeconds)))
    }
}
