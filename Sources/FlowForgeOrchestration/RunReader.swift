public import FlowForgeProtocol
public import FlowForgeStore

/// Answers what people ask about runs, and lets them wait for what comes next.
public struct RunReader: Sendable {
    private let store: Store
    private let wakeUps: WakeUps
    private let pace: Duration
    /// Pages are this long at most, whatever is asked.
    private static let largestPage = 500
    private static let largestLogPage = 5000

    /// `pace` is the least time between two versions of a running run that a watcher gets to see.
    public init(store: Store, wakeUps: WakeUps, pace: Duration = .milliseconds(100)) {
        self.store = store
        self.wakeUps = wakeUps
        self.pace = pace
    }

    /// Newest first, without tasks. `after` is the `next` of the page before.
    public func list(
        environment: String?, state: RunState?, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.RunView> {
        let before = try after.map { text in
            guard let id = ID<Run>(text) else { throw APIError.cursor(text) }
            return id
        }
        if state == .unknown {
            throw APIError(
                .invalidRequest, "state is no state of a run",
                hint: RunState.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", "))
        }
        let limit = max(1, min(limit, Self.largestPage))
        let rows = try await store.read { session in
            try session.runs.list(environment: environment, state: state, before: before, limit: limit + 1)
        }
        let page = rows.prefix(limit)
        return OperatorAPI.Page(
            items: page.map(RunView.summary), next: rows.count > limit ? page.last?.id.description : nil)
    }

    /// The run with its tasks. With `since`, waits up to `waiting` for a version above it, and returns
    /// the run as it is when the time is over.
    ///
    /// While the run goes on such an answer takes at least the pace, or as long as `waiting`, so that a
    /// watcher asks some times a second however much happens; the end of the run is told at once.
    public func run(_ id: ID<Run>, since: Int64?, waiting: Duration) async throws -> OperatorAPI.RunView {
        if let since {
            let clock = ContinuousClock()
            let paced = clock.now.advanced(by: min(pace, waiting))
            try await wait(for: id, upTo: waiting) { $0.version > since }
            try await wait(for: id, upTo: clock.now.duration(to: paced)) { $0.state.isFinal }
        }
        return try await store.read { try RunView.full(id, in: $0) }
    }

    private func wait(for id: ID<Run>, upTo duration: Duration, _ isMet: @Sendable @escaping (RunRow) -> Bool) async throws {
        try await waitingFor(.run(id), upTo: duration) { session in
            guard let run = try session.runs.find(id) else { throw APIError.noRun(id) }
            return isMet(run) ? () : nil
        } orElse: { _ in
        }
    }

    /// Log lines behind the cursor `after`. When there are none yet and the run goes on, waits up to
    /// `waiting` for the first.
    public func logs(
        _ id: ID<Run>, task: String?, after: String?, limit: Int, waiting: Duration
    ) async throws -> OperatorAPI.LogPage {
        let cursor = try after.map { text in
            guard let cursor = LogCursor(text) else { throw APIError.cursor(text) }
            return cursor
        }
        let limit = max(1, min(limit, Self.largestLogPage))
        let page: @Sendable (Session) throws -> OperatorAPI.LogPage = { session in
            guard let run = try session.runs.find(id) else { throw APIError.noRun(id) }
            var taskID: Int64?
            if let task {
                let tasks = try session.tasks.list(run: id)
                guard let found = tasks.first(where: { $0.name == task }) else {
                    throw APIError(
                        .notFound, "run \(id) has no task '\(task.prefix(80))'",
                        hint: "its tasks are: \(tasks.map(\.name).joined(separator: ", "))")
                }
                taskID = found.id
            }
            let (lines, next) = try session.logs.page(run: id, task: taskID, after: cursor ?? .start, limit: limit)
            return OperatorAPI.LogPage(
                lines: lines, next: next.description, complete: run.state.isFinal && lines.count < limit)
        }
        return try await waitingFor(.log(id), upTo: waiting) { session in
            let found = try page(session)
            return found.lines.isEmpty && !found.complete ? nil : found
        } orElse: {
            try page($0)
        }
    }

    /// Every OpenLineage event of the run's attempts, in the order in which they arrived.
    public func lineageEvents(
        _ id: ID<Run>, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OpenLineage.RunEvent> {
        let number = try after.map { text in
            guard let number = Int64(text), number >= 0 else { throw APIError.cursor(text) }
            return number
        }
        let limit = max(1, min(limit, Self.largestPage))
        return try await store.read { session in
            guard try session.runs.find(id) != nil else { throw APIError.noRun(id) }
            let events = try session.lineage.events(run: id, after: number ?? 0, limit: limit + 1)
            let shown = events.prefix(limit)
            return OperatorAPI.Page(
                items: shown.map(\.event), next: events.count > limit ? shown.last.map { String($0.number) } : nil)
        }
    }

    /// Looks until `look` finds something, between the topic's wake-ups; `orElse` answers at the end.
    private func waitingFor<Answer: Sendable>(
        _ topic: WakeUps.Topic, upTo duration: Duration,
        look: @Sendable @escaping (Session) throws -> Answer?,
        orElse: @Sendable @escaping (Session) throws -> Answer
    ) async throws -> Answer {
        let ticket = wakeUps.ticket(topic)
        defer { ticket.close() }
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: min(duration, AgentAPI.longestPoll))
        while true {
            if let answer = try await store.read(look) { return answer }
            let left = clock.now.duration(to: end)
            let signal = left <= .zero ? .timeout : await ticket.wait(upTo: left)
            switch signal {
            case .changed, .answer, .agent: continue
            case .timeout, .draining: return try await store.read(orElse)
            case .cancelled: throw CancellationError()
            }
        }
    }
}

extension APIError {
    static func cursor(_ text: String) -> APIError {
        APIError(
            .invalidRequest, "after: '\(text.prefix(80))' is no cursor of this list", hint: "use the 'next' of the page before")
    }
}
