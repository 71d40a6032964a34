internal import FlowForgeDomain
public import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation
internal import Logging
internal import Synchronization

/// One poll of an agent, from its arrival to its answer. Thousands are held at a time.
public final class HeldPoll: Sendable {
    private let agent: ID<Agent>
    private let end: ContinuousClock.Instant
    private let ticket: WakeUps.Ticket
    private let look: @Sendable (_ isFirst: Bool, Session) throws -> PollAnswer
    private let state = Mutex(State())
    private let store: Store
    private let settings: OrchestrationSettings
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant

    private struct State {
        /// What the first look said: what it renewed, and found to watch, is told in the answer,
        /// whichever look makes that.
        var arrival: AgentAPI.PollResponse?
        var last = AgentAPI.PollResponse(serverTime: .distantPast)
        /// The agent is to be answered after the next look, whatever that finds.
        var mustAnswer = false
    }

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

    /// The first look. Whether there is something to say already; if not, it is to be held. Called once.
    public func arrive() async throws -> Bool {
        try Task.checkCancellation()
        return try await looked(isFirst: true)
    }

    /// Waits until there is something to say or the poll's time is over. Called once, after ``arrive()``.
    ///
    /// Its frame is what a held poll costs: whatever is large is in functions that it calls.
    public func hold() async throws {
        defer { ticket.close() }
        while true {
            let isAnswered = try heard(await ticket.wait(upTo: pause))
            if isAnswered { return }
            try Task.checkCancellation()
            if try await looked(isFirst: false) { return }
        }
    }

    /// What to say, once there is something.
    public var answer: AgentAPI.PollResponse {
        state.withLock { state in
            var answer = state.last
            answer.serverTime = store.now()
            if let arrival = state.arrival { (answer.renewed, answer.watches) = (arrival.renewed, arrival.watches) }
            return answer
        }
    }

    /// Its agent is gone: ``hold()`` throws `CancellationError`.
    public func leave() { ticket.cancel() }

    private var left: Duration { now().duration(to: end) }

    /// Until the next look.
    @inline(never) private var pause: Duration {
        let cancels = state.withLock { !$0.last.cancellations.isEmpty }
        return cancels ? min(left, settings.cancellationRepeat) : left
    }

    /// Whether that ends the poll.
    @inline(never) private func heard(_ signal: WakeUps.Signal) throws -> Bool {
        switch signal {
        case .answer(let answer): return took(answer.response, isAnswer: true)
        case .changed: return false
        case .agent:
            state.withLock { $0.mustAnswer = true }
            return false
        case .timeout where left > .zero: return false
        // Whatever would be news would have woken it.
        case .timeout, .draining: return true
        case .cancelled: throw CancellationError()
        }
    }

    private func looked(isFirst: Bool) async throws -> Bool {
        let answer = try await store.write { [look] session in try look(isFirst, session) }
        ticket.looked(free: answer.free, had: answer.hadRoom, given: answer.given)
        return took(answer.response, isAnswer: answer.isNews || left <= .zero)
    }

    @inline(never) private func took(_ response: AgentAPI.PollResponse, isAnswer: Bool) -> Bool {
        let isAnswered = state.withLock { state in
            if state.arrival == nil { state.arrival = response }
            state.last = response
            return isAnswer || state.mustAnswer
        }
        if isAnswered { ticket.close() }
        for assignment in response.assignments {
            logger.info(
                "task assigned",
                metadata: [
                    "run": "\(assignment.run)", "task": "\(assignment.task)", "attempt": "\(assignment.attempt)",
                    "agent": "\(agent)",
                ])
        }
        return isAnswered
    }
}
