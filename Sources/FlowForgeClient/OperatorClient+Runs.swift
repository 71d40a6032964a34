public import FlowForgeProtocol

extension OperatorClient {
    /// `created` is false where the idempotency key had started this run before.
    public func startRun(_ request: OperatorAPI.StartRun) async throws -> (run: OperatorAPI.RunView, created: Bool) {
        try await created(.post("/runs", request))
    }

    /// Newest first.
    public func runs(
        environment: String? = nil, state: RunState? = nil, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.RunView> {
        try await value(
            .get(
                "/runs",
                [
                    ("environment", environment), ("state", state?.rawValue), ("after", after),
                    ("limit", limit.map(String.init)),
                ]))
    }

    /// With `since`, the answer is held until the run's version is newer, for at most `wait`; then the
    /// run comes as it is.
    public func run(
        _ id: ID<Run>, since: Int64? = nil, wait: Duration = .zero
    ) async throws -> OperatorAPI.RunView {
        try await value(
            .get(
                "/runs/\(id)", [("since", since.map { "\($0)" }), ("wait", Self.seconds(wait))], held: wait))
    }

    public func cancelRun(_ id: ID<Run>) async throws -> OperatorAPI.RunView {
        try await value(.post("/runs/\(id)/cancel"))
    }

    /// With `wait`, an empty page is held until there are lines or the run is final.
    public func logs(
        of run: ID<Run>, task: String? = nil, after: String? = nil, limit: Int? = nil, wait: Duration = .zero
    ) async throws -> OperatorAPI.LogPage {
        try await value(
            .get(
                "/runs/\(run)/logs",
                [
                    ("task", task), ("after", after), ("limit", limit.map(String.init)), ("wait", Self.seconds(wait)),
                ], held: wait))
    }

    /// OpenLineage events in the order in which they were stored.
    public func lineageEvents(
        of run: ID<Run>, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OpenLineage.RunEvent> {
        try await value(.get("/runs/\(run)/lineage-events", Self.page(after, limit)))
    }

    /// The query's `wait` in whole seconds, absent when nothing is to be waited for.
    private static func seconds(_ wait: Duration) -> String? {
        wait > .zero ? "\(max(1, wait.components.seconds))" : nil
    }
}
