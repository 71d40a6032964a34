internal import FlowForgeDomain
public import FlowForgeProtocol
internal import FlowForgeStore
internal import Logging
internal import Synchronization

/// One poll of an agent, from its arrival to its answer. Thousands are held at a time.
public final class HeldPoll: Sendable {
    private let agent: ID<Agent>
    private let end: ContinuousClock.Instant
    private let ticket: WakeUps.Ticket
    private let look: @Sendable (_ isFirst: Bool, Session) throws -> PollAnswer
    /// What its arrival has renewed, and found to watch, is told in the answer, whichever look makes that.
    private let arrival = Mutex<AgentAPI.PollResponse?>(nil)
    private let store: Store
    private let settings: OrchestrationSettings
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant

    init(
        request: AgentAPI.PollRequest, agent: AgentIdentity, store: Store, wakeUps: WakeUps, settings: OrchestrationSettings,
        logger: Logger, now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        let engines = request.offer?.engines ?? (request.freeSlots > 0 ? request.engines.map(\.name) : [])
        let look = { @Sendable isFirst, session in
            try PollAnswer(
                request: request, isFirst: isFirst, agent: agent, settings: settings, wakeUps: wakeUps, session: session)
        }
        self.agent = agent.id
        self.look = look
        end = now().advanced(by: .seconds(request.waitSeconds))
        ticket = wakeUps.ticket(.poll(agent: agent.id, pool: agent.pool, engines: Set(engines))) { try look(false, $0) }
        (self.store, self.settings, self.logger, self.now) = (store, settings, logger, now)
    }

    deinit { ticket.close() }

    /// The first look; `nil` when there is nothing to say yet, so that it is to be held. Called once.
    public func arrive() async throws -> AgentAPI.PollResponse? {
        try Task.checkCancellation()
        let answer = try await lookedUp(isFirst: true)
        arrival.withLock { $0 = answer.response }
        return answer.isNews || left <= .zero ? finished(answer.response) : nil
    }

    /// The answer, when there is something to say or the poll's time is over. Called once, after ``arrive()``.
    public func hold() async throws -> AgentAPI.PollResponse {
        defer { ticket.close() }
        guard var last = arrival.withLock(\.self) else { preconditionFailure("a poll is held after its first look") }
        var mustAnswer = false
        while true {
            let left = left
            let wait = last.cancellations.isEmpty ? left : min(left, settings.cancellationRepeat)
            switch await ticket.wait(upTo: wait) {
            case .answer(let answer): return finished(answer.response)
            case .changed: break
            case .agent: mustAnswer = true
            case .timeout where wait < left: break
            // Whatever would be news would have woken it.
            case .timeout, .draining:
                last.serverTime = store.now()
                return finished(last)
            case .cancelled: throw CancellationError()
            }
            try Task.checkCancellation()
            let answer = try await lookedUp(isFirst: false)
            last = answer.response
            if answer.isNews || mustAnswer || self.left <= .zero { return finished(last) }
        }
    }

    /// Its agent is gone: ``hold()`` throws `CancellationError`.
    public func leave() { ticket.cancel() }

    /// An answer that says nothing.
    public var nothing: AgentAPI.PollResponse { AgentAPI.PollResponse(serverTime: store.now()) }

    private var left: Duration { now().duration(to: end) }

    private func lookedUp(isFirst: Bool) async throws -> PollAnswer {
        let answer = try await store.write { [look] session in try look(isFirst, session) }
        ticket.looked(free: answer.free, had: answer.hadRoom)
        return answer
    }

    private func finished(_ response: AgentAPI.PollResponse) -> AgentAPI.PollResponse {
        ticket.close()
        var response = response
        if let arrival = arrival.withLock(\.self) { (response.renewed, response.watches) = (arrival.renewed, arrival.watches) }
        for assignment in response.assignments {
            logger.info(
                "task assigned",
                metadata: [
                    "run": "\(assignment.run)", "task": "\(assignment.task)", "attempt": "\(assignment.attempt)",
                    "agent": "\(agent)",
                ])
        }
        return response
    }
}
