internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle

/// Does what is due although nobody asks: takes tasks back from agents that are not heard from any
/// more, ends what is over its time, and lets delayed retries go on. The one loop of orchestration.
public struct LeaseReaper: Service {
    private let store: Store
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings
    private let clock: any Clock<Duration>
    private let logger: Logger

    /// The most attempts or runs that one transaction ends.
    private static let batch = 200
    private static let sweepsBetweenSearches = 60

    public init(
        store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(),
        clock: any Clock<Duration> = ContinuousClock(), logger: Logger
    ) {
        self.store = store
        self.wakeUps = wakeUps
        self.settings = settings
        self.clock = clock
        self.logger = logger
    }

    /// Sweeps each `reaperPeriod`, and when a delay is over, until graceful shutdown or cancellation. A
    /// sweep that fails is logged and made up for by the next.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await sweepUntilCancelled() }
    }

    func sweepUntilCancelled() async {
        // While the control plane was down nobody could renew: agents get time to poll or to report
        // before their work is given to others.
        var grace = settings.recoveryGrace
        var sweeps = 0
        var hasFailed = false
        while true {
            // A delay that is over and cannot be written off would be looked for without a pause.
            let pause = hasFailed ? settings.reaperPeriod : await untilNextDelay()
            do { try await clock.sleep(for: pause) } catch { return }
            grace -= pause
            hasFailed = false
            do {
                try await releaseDue()
                guard grace <= .zero else { continue }
                while try await takeBack() == Self.batch {}
                while try await endOverdueAttempts() == Self.batch {}
                while try await endOverdueRuns() == Self.batch {}
                while try await expireInquiries() == Self.batch {}
                if sweeps % Self.sweepsBetweenSearches == 0 { try await releaseForgotten() }
                sweeps += 1
            } catch {
                hasFailed = true
                logger.error("sweeping leases failed", metadata: ["error": "\(error)"])
            }
        }
    }

    /// At most the period, since a delay may begin at any time.
    private func untilNextDelay() async -> Duration {
        do {
            let (due, now) = try await store.read { (try $0.tasks.nextDue(), $0.now) }
            guard let due else { return settings.reaperPeriod }
            return min(settings.reaperPeriod, max(.milliseconds(1), .seconds(due.timeIntervalSince(now))))
        } catch {
            logger.error("looking for delays failed", metadata: ["error": "\(error)"])
            return settings.reaperPeriod
        }
    }

    /// Ends attempts whose lease lapsed; returns how many, at most one batch.
    func takeBack() async throws -> Int {
        // A look costs nothing, a write an fsync; there is mostly nothing to do.
        guard try await store.read({ try !$0.attempts.lapsed(limit: 1).isEmpty }) else { return 0 }
        return try await end("lease lapsed") { stager in
            let lapsed = try stager.session.attempts.lapsed(limit: Self.batch)
            for attempt in lapsed { try stager.lose(attempt) }
            return lapsed
        }
    }

    /// Ends attempts that outlived their deadline; returns how many, at most one batch. Their agents are
    /// told with their next look, and end the processes.
    func endOverdueAttempts() async throws -> Int {
        guard try await store.read({ try !$0.attempts.overdue(limit: 1).isEmpty }) else { return 0 }
        return try await end("deadline exceeded") { stager in
            let overdue = try stager.session.attempts.overdue(limit: Self.batch)
            for attempt in overdue { try stager.endOverdue(attempt) }
            return overdue
        }
    }

    private func end(_ what: String, _ body: @Sendable @escaping (inout RunStager) throws -> [AttemptRow]) async throws -> Int {
        let ended = try await store.write { session in
            var stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
            let ended = try body(&stager)
            try stager.wakes.send(through: wakeUps, in: session)
            return ended
        }
        for attempt in ended {
            logger.warning(
                "\(what)",
                metadata: ["run": "\(attempt.run)", "attempt": "\(attempt.id)", "agent": "\(attempt.claim.agent)"])
        }
        return ended.count
    }

    /// Begins to end runs that take longer than their flow allows; returns how many, at most one batch.
    func endOverdueRuns() async throws -> Int {
        guard try await store.read({ try !$0.runs.overdue(limit: 1).isEmpty }) else { return 0 }
        let ended = try await store.write { session in
            var stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
            let overdue = try session.runs.overdue(limit: Self.batch)
            for var run in overdue { _ = try stager.end(&run, .timeout, by: .system("lease-reaper")) }
            try stager.wakes.send(through: wakeUps, in: session)
            return overdue
        }
        for run in ended { logger.warning("run timed out", metadata: ["run": "\(run.id)", "flow": "\(run.flow)"]) }
        return ended.count
    }

    /// Writes down that nobody waits for an inquiry's answer any more; returns of how many, at most one batch.
    func expireInquiries() async throws -> Int {
        guard try await store.read({ try $0.inquiries.isOverdue() }) else { return 0 }
        return try await store.write { try $0.inquiries.expire(limit: Self.batch) }
    }

    /// Lets tasks go on whose delay is over.
    func releaseDue() async throws {
        guard try await store.read({ try $0.tasks.isDue() }) else { return }
        try await store.write { session in
            var wakes = Wakes()
            for tasks in try session.tasks.unparkDue() { wakes.add(tasks) }
            try wakes.send(through: wakeUps, in: session)
        }
    }

    /// Lets tasks go on that wait for something that is there; it is an error of ours if there are any.
    @discardableResult
    func releaseForgotten() async throws -> Int {
        guard try await store.read({ try !$0.tasks.parkings().isEmpty }) else { return 0 }
        let forgotten = try await store.write { session in
            var queue = TaskQueue(session: session)
            var released = 0
            for parking in try session.tasks.parkings() { released += try queue.release(parking, idle: true) }
            try queue.wakes.send(through: wakeUps, in: session)
            return released
        }
        if forgotten > 0 { logger.error("tasks waited for nothing", metadata: ["tasks": "\(forgotten)"]) }
        return forgotten
    }
}

extension RunStager {
    /// Ends an attempt whose lease lapsed.
    mutating func lose(_ attempt: AttemptRow) throws {
        let name = try session.agents.name(of: attempt.claim.agent) ?? attempt.claim.agent.description
        let error = TaskError(
            code: "agent_lost", message: "nothing was heard from agent '\(name)' until its lease lapsed",
            hint: "look at the agent's log on its machine: was it stopped, or cut off from the control plane?",
            retryable: true)
        var lifecycle = attempt.lifecycle
        guard lifecycle.leaseLapsed() == .moved else { return }
        if attempt.state == .leased { try session.deafness.startMissed(attempt.claim.agent, leasedAt: attempt.leasedAt) }
        try takeBack(attempt, as: lifecycle.state, error, action: "attempt.lose", end: .lost)
    }

    /// Ends an attempt that its agent should have ended: it was never started, or outlived its timeout.
    mutating func endOverdue(_ attempt: AttemptRow) throws {
        var lifecycle = attempt.lifecycle
        let neverStarted = attempt.state == .leased
        let error = TaskError(
            code: TaskError.deadlineExceeded,
            message: neverStarted
                ? "the agent held the task and did not start it in time"
                : "the task outlived its timeout and its agent did not end it",
            hint: "look at the agent's log on its machine; the agent was told to kill what runs", retryable: true)
        guard (neverStarted ? lifecycle.leaseLapsed() : lifecycle.finished(.timedOut, under: attempt.claim)) == .moved
        else { return }
        if neverStarted { try session.deafness.startMissed(attempt.claim.agent, leasedAt: attempt.leasedAt) }
        try takeBack(
            attempt, as: lifecycle.state, error, action: "attempt.end",
            end: neverStarted ? .lost : .reported(.timedOut, error))
    }

    private mutating func takeBack(
        _ attempt: AttemptRow, as state: AttemptState, _ error: TaskError, action: String, end: TaskLifecycle.AttemptEnd
    ) throws {
        guard let task = try session.tasks.find(attempt.task), let run = try session.runs.find(attempt.run) else {
            throw StoreError.corrupt("attempt \(attempt.id) belongs to no task")
        }
        try session.attempts.finish(attempt.id, state: state, metrics: nil, checks: [], error: error, snapshot: nil)
        try session.audit.append(
            actor: .system("lease-reaper"), action: action, subject: attempt.id.description,
            detail: [
                "run": .string(run.id.description), "task": .string(task.name),
                "agent": .string(attempt.claim.agent.description), "code": .string(error.code),
            ])
        try attemptEnded(end, task: task, run: run)
        // The agent may still poll (it was slow, not gone): let it hear that the lease is lost.
        wakes.agents.insert(attempt.claim.agent)
    }
}
