public import FlowForgeProtocol

extension OperatorClient {
    /// `created` is false where the idempotency key had started this backfill before.
    public func startBackfill(
        _ request: OperatorAPI.StartBackfill
    ) async throws -> (backfill: OperatorAPI.BackfillView, created: Bool) {
        try await created(.post("/backfills", request))
    }

    /// Newest first.
    public func backfills(
        environment: String? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.BackfillView> {
        try await value(
            .get("/backfills", [("environment", environment), ("after", after), ("limit", limit.map(String.init))]))
    }

    public func backfill(_ id: ID<Backfill>) async throws -> OperatorAPI.BackfillView {
        try await value(.get("/backfills/\(id)"))
    }

    /// Those that have had their turn, newest first.
    public func ticks(
        of backfill: ID<Backfill>, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.BackfillTickView> {
        try await value(.get("/backfills/\(backfill)/ticks", Self.page(after, limit)))
    }

    public func cancelBackfill(_ id: ID<Backfill>) async throws -> OperatorAPI.BackfillView {
        try await value(.post("/backfills/\(id)/cancel"))
    }
}
