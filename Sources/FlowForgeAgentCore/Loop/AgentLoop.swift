import FlowForgeProtocol
import Foundation
import Logging
import ServiceLifecycle
import Synchronization

/// The agent's heart: polls, starts what is assigned, ends what is cancelled or lapsed.
///
/// Each attempt is a child of this service's task group, so none outlives it. On shutdown it takes
/// nothing new and goes on polling for the leases' sake until the running attempts have ended by
/// themselves or the grace is over; then it ends them, and returns when their outcomes are spooled.
struct AgentLoop: Service, ReportListener {
    struct Settings: Sendable {
        var slots: Int
        var labels: [String: String] = [:]
        var grace = Duration.seconds(30)
        /// A clock that is further off than this is warned of, in seconds.
        var tolerableSkew = 60.0
    }

    let settings: Settings
    let controlPlane: any ControlPlane
    let engines: [AgentAPI.EngineOffer]
    let context: AttemptContext
    let desk: PublicationDesk
    let inquiries: InquiryDesk
    let renewal: CertificateRenewal.Request
    let notifier: SystemNotifier
    let backoff: Backoff
    /// Called before each numbered poll, for tests: what they do then comes at the worst moment.
    var pollBegins: @Sendable () -> Void = {}
    private let shared: Shared

    /// What the loop's tasks share.
    private final class Shared: Sendable {
        struct State {
            var board: AttemptBoard
            var polls: Int64 = 0
            var signals: [ID<Attempt>: EndSignal] = [:]
            var skewWarned = false
            /// Stopped, and every attempt's outcome is spooled.
            var isDone: Bool { board.isStopping && board.isEmpty && signals.isEmpty }
        }

        let state: Mutex<State>
        /// The control plane is to hear something before the poll under way ends.
        let wake = PollWake()
        /// The machine wants the agent to stop.
        let grace = EndSignal()
        /// A lease has to be prolonged from now on.
        let leased = PollWake()
        /// What was assigned, to be started; bounded by the slots.
        let assigned = AsyncStream<AgentAPI.Assignment>.makeStream()
        init(slots: Int) { state = Mutex(State(board: AttemptBoard(slots: slots))) }
    }

    init(
        settings: Settings, controlPlane: any ControlPlane, engines: [AgentAPI.EngineOffer], context: AttemptContext,
        desk: PublicationDesk, inquiries: InquiryDesk? = nil, renewal: CertificateRenewal.Request, notifier: SystemNotifier,
        backoff: Backoff = Backoff()
    ) {
        self.settings = settings
        self.controlPlane = controlPlane
        self.engines = engines
        self.context = context
        self.desk = desk
        self.inquiries =
            inquiries
            ?? InquiryDesk(
                lake: context.lake, host: nil, workspaces: context.workspaces, spool: context.spool, logger: context.logger,
                now: context.now, clock: context.clock)
        self.renewal = renewal
        self.notifier = notifier
        self.backoff = backoff
        shared = Shared(slots: settings.slots)
    }

    private var logger: Logger { context.logger }
    private var clock: any MonotonicClock { context.clock }
    /// As it is at the moment.
    var board: AttemptBoard { shared.state.withLock { $0.board } }

    /// - Throws: a final ``LinkError``, when only a person can help.
    func run() async throws {
        try await reportTheDead()
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await endAfterGrace() }
                group.addTask { try await endLapsed() }
                group.addTask { await startAssigned() }
                group.addTask { await inquiries.run() }
                group.addTask { try await prolongLeases() }
                group.addTask { try await polls() }
                defer { group.cancelAll() }
                // Whichever ends first are the polls, or a failure.
                try await group.next()
            }
        } onGracefulShutdown: {
            stop()
        }
    }

    /// The machine wants it to end: it takes nothing new, and ``run()`` returns when nothing runs any more.
    func stop() {
        notifier.stopping()
        shared.state.withLock { $0.board.stop() }
        shared.wake.fire()
        shared.grace.fire()
    }

    /// The attempts, as children, until cancelled.
    private func startAssigned() async {
        await withDiscardingTaskGroup { group in
            for await assignment in shared.assigned.stream { group.addTask { await attempt(assignment) } }
            group.cancelAll()
        }
    }

    /// Polls until the agent is stopped and empty.
    private func polls() async throws {
        var backoff = backoff
        var isFirst = true
        while true {
            try Task.checkCancellation()
            if shared.state.withLock(\.isDone) { return }
            do {
                guard let answer = try await poll(isFirst: isFirst) else { continue }
                backoff.reset()
                notifier.polled(isFirst: isFirst, status: status)
                isFirst = false
                inquiries.heard(answer.0.inquiries ?? [])
                await act(answer)
            } catch let error as LinkError where error.isFinal {
                throw error
            } catch let error as LinkError {
                let delay = bounded(backoff.next())
                logger.warning("poll failed", metadata: ["reason": "\(error)", "retry_s": "\(rounded(delay))"])
                notifier.status("cannot reach the control plane: \(error)")
                try await pause(delay)
            }
        }
    }

    /// Who holds leases comes back soon: before a control plane that was away gives them to others.
    func bounded(_ delay: Duration) -> Duration {
        shared.state.withLock { $0.board.leases.isEmpty } ? delay : min(delay, AgentAPI.longestBackoffUnderLease)
    }

    /// One poll; `nil` when it was ended because the agent has something new to say.
    private func poll(isFirst: Bool) async throws -> (AgentAPI.PollResponse, sent: ContinuousClock.Instant)? {
        pollBegins()
        shared.wake.clear()
        // A stop since the last look has fired what was just cleared.
        if shared.state.withLock(\.isDone) { return nil }
        let (sent, request) = request(waiting: isFirst ? .zero : AgentAPI.longestPoll, isNumbered: true)
        return try await withThrowingTaskGroup(of: AgentAPI.PollResponse?.self) { group in
            group.addTask { try await controlPlane.poll(request) }
            group.addTask {
                await shared.wake.wait()
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let response = first else {
                try Task.checkCancellation()
                return nil
            }
            return (response, sent)
        }
    }

    /// - Parameter isNumbered: polls that may overtake each other on the way have no number.
    private func request(
        waiting: Duration, isNumbered: Bool
    ) -> (sent: ContinuousClock.Instant, AgentAPI.PollRequest) {
        let request = shared.state.withLock { state in
            if isNumbered { state.polls += 1 }
            var request = AgentAPI.PollRequest(
                freeSlots: state.board.freeSlots, slots: settings.slots, engines: engines, labels: settings.labels,
                // The first answer says that the agent is up, so it is not waited for.
                leases: state.board.leases, waitSeconds: waiting.inSeconds,
                offer: state.board.offer(engines: engines.map(\.name)), process: context.spool.process,
                sequence: isNumbered ? state.polls : nil)
            // Of polls that may overtake each other none says what to give up.
            if isNumbered { request.answers = request.offer == nil ? [] : inquiries.kinds }
            return request
        }
        return (clock.now, request)
    }

    /// Prolongs leases with polls of their own while another is held: that one must not be cut off, for
    /// it may be bringing work just now.
    private func prolongLeases() async throws {
        var backoff = backoff
        while true {
            guard let delay = shared.state.withLock({ $0.board.renewalDelay(at: clock.now) }) else {
                await shared.leased.wait()
                try Task.checkCancellation()
                continue
            }
            try await clock.sleep(for: .seconds(delay))
            if shared.state.withLock({ $0.board.leases.isEmpty }) { continue }
            let (sent, request) = request(waiting: .zero, isNumbered: false)
            do {
                await act((try await controlPlane.poll(request), sent))
                backoff.reset()
            } catch let error as LinkError {
                logger.warning("leases were not prolonged", metadata: ["reason": "\(error)"])
                try await clock.sleep(for: bounded(backoff.next()))
            }
        }
    }

    private func act(_ answer: (AgentAPI.PollResponse, sent: ContinuousClock.Instant)) async {
        let (response, sent) = answer
        warnOfSkew(response.serverTime)
        let actions = shared.state.withLock { $0.board.heard(response, sent: sent, received: clock.now) }
        for action in actions { await carryOut(action) }
    }

    private func carryOut(_ action: AgentAction) async {
        switch action {
        case .start(let assignment):
            shared.state.withLock { $0.signals[assignment.attempt] = EndSignal() }
            shared.assigned.continuation.yield(assignment)
            shared.leased.fire()
        case .end(let attempt, let reason):
            logger.info("ending an attempt", metadata: ["attempt": "\(attempt)", "reason": "\(reason)"])
            shared.state.withLock { $0.signals[attempt] }?.fire()
        case .publish(let publication): await desk.publish(publication)
        case .renewCertificate: renewal.fire()
        case .decline(let assignment, let why):
            logger.warning("assignment not taken", metadata: ["attempt": "\(assignment.attempt)", "reason": "\(why)"])
        }
    }

    private func attempt(_ assignment: AgentAPI.Assignment) async {
        let id = assignment.attempt
        let run = AttemptRun(
            assignment: assignment, context: context, end: shared.state.withLock { $0.signals[id] } ?? EndSignal(),
            reason: { shared.state.withLock { $0.board.ending(id) } },
            timedOut: { _ = shared.state.withLock { $0.board.end(id, .timedOut) } },
            stopsWhenCutOff: { shared.state.withLock { $0.board.stopsWhenCutOff(id) } },
            concluded: { if shared.state.withLock({ $0.board.concluded(id) }) { shared.wake.fire() } })
        let outcome = await run.run()
        let mayStop = shared.state.withLock { state in
            state.board.told(id, as: outcome)
            state.signals[id] = nil
            return state.isDone
        }
        if mayStop { shared.wake.fire() }
    }

    // MARK: What ends attempts

    /// The agent's own clock ends what the control plane may have given to another.
    private func endLapsed() async throws {
        while true {
            let actions = shared.state.withLock { $0.board.lapse(at: clock.now) }
            for action in actions { await carryOut(action) }
            let next = shared.state.withLock { $0.board.nextLapse }
            // New leases last longer than this step; it costs nothing to look.
            let step = clock.now + .seconds(1)
            try await clock.sleep(until: max(min(next ?? step, step), clock.now + .milliseconds(100)), tolerance: nil)
        }
    }

    private func endAfterGrace() async throws {
        await shared.grace.wait()
        try await clock.sleep(for: settings.grace)
        for action in shared.state.withLock({ $0.board.endAll() }) { await carryOut(action) }
        // The loop returns when they have ended, and cancels this.
        try await clock.sleep(for: .seconds(86_400))
    }

    func heard(_ answer: AgentAPI.ReportResponse) async {
        for lease in answer.stale {
            for action in shared.state.withLock({ $0.board.stale(lease) }) { await carryOut(action) }
        }
        let received = clock.now
        let actions = shared.state.withLock { state in
            state.board.acknowledged(answer.acknowledged)
            return (answer.assignments ?? []).flatMap { state.board.assigned($0, received: received) }
        }
        for action in actions { await carryOut(action) }
        for publication in answer.publications { await desk.publish(publication) }
    }

    func offer() -> AgentAPI.WorkOffer? { shared.state.withLock { $0.board.offer(engines: engines.map(\.name)) } }

    // MARK: Words

    private var status: String {
        shared.state.withLock { state in
            let board = state.board
            let mood = board.isStopping ? "stopping" : board.isDraining ? "draining" : "online"
            return "\(mood); \(board.count) of \(settings.slots) slots busy"
        }
    }

    private func warnOfSkew(_ serverTime: Date) {
        let skew = context.now().timeIntervalSince(serverTime)
        let warns = shared.state.withLock { state in
            let isOff = abs(skew) > settings.tolerableSkew
            defer { state.skewWarned = isOff }
            return isOff && !state.skewWarned
        }
        if warns {
            logger.warning(
                "this machine's clock differs from the control plane's; check NTP, or certificates and times will be wrong",
                metadata: ["seconds_ahead": "\(Int(skew))"])
        }
    }

    /// Sleeps, but not past a shutdown with nothing left to wait for.
    private func pause(_ delay: Duration) async throws {
        if shared.state.withLock(\.isDone) { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await clock.sleep(for: delay) }
            group.addTask { await shared.wake.wait() }
            try await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    private func rounded(_ delay: Duration) -> String { String((delay.inSeconds * 10).rounded() / 10) }
}
