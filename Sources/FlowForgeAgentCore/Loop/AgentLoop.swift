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
    let renewal: CertificateRenewal.Request
    let notifier: SystemNotifier
    let backoff: Backoff
    private let shared: Shared

    /// What the loop's tasks share.
    private final class Shared: Sendable {
        struct State {
            var board: AttemptBoard
            var polls: Int64 = 0
            var signals: [ID<Attempt>: EndSignal] = [:]
            var skewWarned = false
        }

        let state: Mutex<State>
        /// A slot is free again.
        let wake = PollWake()
        let stop = PollWake()
        init(slots: Int) { state = Mutex(State(board: AttemptBoard(slots: slots))) }
    }

    init(
        settings: Settings, controlPlane: any ControlPlane, engines: [AgentAPI.EngineOffer], context: AttemptContext,
        desk: PublicationDesk, renewal: CertificateRenewal.Request, notifier: SystemNotifier, backoff: Backoff = Backoff()
    ) {
        self.settings = settings
        self.controlPlane = controlPlane
        self.engines = engines
        self.context = context
        self.desk = desk
        self.renewal = renewal
        self.notifier = notifier
        self.backoff = backoff
        shared = Shared(slots: settings.slots)
    }

    private var logger: Logger { context.logger }

    /// - Throws: a final ``LinkError``, when only a person can help.
    func run() async throws {
        try await reportTheDead()
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await endAfterGrace() }
                group.addTask { try await endLapsed() }
                group.addTask { try await attempts() }
                defer { group.cancelAll() }
                // Whichever ends first is the loop itself, or its failure.
                try await group.next()
            }
        } onGracefulShutdown: {
            notifier.stopping()
            shared.state.withLock { $0.board.stop() }
            shared.stop.fire()
            shared.wake.fire()
        }
    }

    /// Polls until the agent is stopped and empty, with the attempts as children.
    private func attempts() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            var backoff = backoff
            var isFirst = true
            while true {
                try Task.checkCancellation()
                if shared.state.withLock({ $0.board.isStopping && $0.board.isEmpty }) { return }
                do {
                    guard let response = try await poll(isFirst: isFirst) else { continue }
                    backoff.reset()
                    notifier.polled(isFirst: isFirst, status: status)
                    isFirst = false
                    for assignment in await act(response) { group.addTask { await attempt(assignment) } }
                } catch let error as LinkError where error.isFinal {
                    throw error
                } catch let error as LinkError {
                    let delay = backoff.next()
                    logger.warning("poll failed", metadata: ["reason": "\(error)", "retry_s": "\(rounded(delay))"])
                    notifier.status("cannot reach the control plane: \(error)")
                    try await pause(delay)
                }
            }
        }
    }

    /// One poll; `nil` when it was ended because the agent has something new to say.
    private func poll(isFirst: Bool) async throws -> (AgentAPI.PollResponse, sent: ContinuousClock.Instant)? {
        shared.wake.clear()
        let sent = ContinuousClock.now
        let request = shared.state.withLock { state in
            state.polls += 1
            return AgentAPI.PollRequest(
                freeSlots: state.board.freeSlots, slots: settings.slots, engines: engines, labels: settings.labels,
                leases: state.board.leases,
                // The first answer says that the agent is up, so it is not waited for.
                waitSeconds: isFirst ? 0 : state.board.pollWait(at: sent), process: context.spool.process,
                sequence: state.polls)
        }
        return try await withThrowingTaskGroup(of: AgentAPI.PollResponse?.self) { group in
            group.addTask { try await controlPlane.poll(request) }
            // A poll that offers slots may be bringing a task just now, so only a stop ends it (the
            // task's first lease is short); one that offers none can only miss what is told again.
            group.addTask {
                await (request.freeSlots == 0 ? shared.wake : shared.stop).wait()
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

    /// Carries out everything but the assignments, which it returns.
    private func act(_ answer: (AgentAPI.PollResponse, sent: ContinuousClock.Instant)) async -> [AgentAPI.Assignment] {
        let (response, sent) = answer
        warnOfSkew(response.serverTime)
        let actions = shared.state.withLock { $0.board.heard(response, sent: sent, received: .now) }
        var assignments: [AgentAPI.Assignment] = []
        for action in actions {
            if case .start(let assignment) = action {
                shared.state.withLock { $0.signals[assignment.attempt] = EndSignal() }
                assignments.append(assignment)
            } else {
                await carryOut(action)
            }
        }
        return assignments
    }

    private func carryOut(_ action: AgentAction) async {
        switch action {
        case .start: break
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
            timedOut: { _ = shared.state.withLock { $0.board.end(id, .timedOut) } })
        await run.run()
        shared.state.withLock {
            $0.board.finished(id)
            $0.signals[id] = nil
        }
        shared.wake.fire()
    }

    // MARK: What ends attempts

    /// The agent's own clock ends what the control plane may have given to another.
    private func endLapsed() async throws {
        while true {
            let (actions, next) = shared.state.withLock { ($0.board.lapse(at: .now), $0.board.nextLapse) }
            for action in actions { await carryOut(action) }
            // New leases last longer than this step; it costs nothing to look.
            let step = ContinuousClock.now + .seconds(1)
            try await Task.sleep(until: min(next ?? step, step), clock: .continuous)
        }
    }

    private func endAfterGrace() async throws {
        try await gracefulShutdown()
        try await Task.sleep(for: settings.grace)
        for action in shared.state.withLock({ $0.board.endAll() }) { await carryOut(action) }
        // The loop returns when they have ended, and cancels this.
        try await Task.sleep(for: .seconds(86_400))
    }

    func heard(_ answer: AgentAPI.ReportResponse) async {
        for lease in answer.stale {
            for action in shared.state.withLock({ $0.board.stale(lease) }) { await carryOut(action) }
        }
        for publication in answer.publications { await desk.publish(publication) }
    }

    // MARK: Start

    /// What ran when the agent died can be told now; what it left on the disk can go.
    private func reportTheDead() async throws {
        if let finding = context.journal.finding { logger.error("journal set aside", metadata: ["reason": "\(finding)"]) }
        for held in context.journal.leftovers {
            let error = TaskError(
                code: "agent_restarted", message: "the agent died while the task ran", hint: "see the agent's own log",
                retryable: true)
            let finished = AgentAPI.Finished(outcome: .lost, metrics: TaskMetrics(), error: error)
            try await context.spool.append(EventDraft(at: context.now(), held: held, body: .finished(finished)))
            try context.journal.remove(held.attempt)
            logger.warning("an attempt died with the agent's last run", metadata: ["attempt": "\(held.attempt)"])
        }
        try DiskFile.makeFolder(context.workspaces, mode: 0o700)
        var dead = Set(context.journal.leftovers.map(\.attempt))
        for name in try FileManager.default.contentsOfDirectory(atPath: context.workspaces.path) {
            guard let attempt = ID<Attempt>(name) else { continue }
            dead.insert(attempt)
            try FileManager.default.removeItem(at: context.workspaces.appending(path: name))
        }
        do {
            let removed = try LakePublisher.sweep(lake: context.lake, dead: dead)
            if removed > 0 { logger.info("staging of dead attempts removed", metadata: ["folders": "\(removed)"]) }
        } catch {
            // It takes space and nothing else.
            logger.warning("staging of dead attempts stays behind", metadata: ["reason": "\(error)"])
        }
    }

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
        let isIdle = shared.state.withLock { $0.board.isStopping && $0.board.isEmpty }
        if isIdle { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await Task.sleep(for: delay) }
            group.addTask { await shared.wake.wait() }
            try await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    private func rounded(_ delay: Duration) -> String { String((delay.inSeconds * 10).rounded() / 10) }
}
