internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle

/// Takes tasks back from agents that are not heard from any more, and wakes polls for tasks whose
/// retry has come due. The one loop of orchestration; everything else happens when somebody asks.
public struct LeaseReaper: Service {
    private let store: Store
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings
    private let clock: any Clock<Duration>
    private let logger: Logger

    /// The most attempts that one transaction takes back.
    private static let batch = 200

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

    /// Sweeps each `reaperPeriod`, until graceful shutdown or cancellation. A sweep that fails is
    /// logged and made up for by the next.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await sweepUntilCancelled() }
    }

    private func sweepUntilCancelled() async {
        // While the control plane was down nobody could renew: agents get time to poll or to report
        // before their work is given to others.
        var pause = settings.recoveryGrace
        var lastSweep: Date?
        while true {
            do { try await clock.sleep(for: pause) } catch { return }
            pause = settings.reaperPeriod
            do {
                while try await takeBack() == Self.batch {}
                lastSweep = try await wakeForDueRetries(since: lastSweep)
            } catch {
                logger.error("sweeping leases failed", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Ends attempts whose lease lapsed; returns how many, at most one batch.
    func takeBack() async throws -> Int {
        // A look costs nothing, a write an fsync; there is mostly nothing to do.
        guard try await store.read({ try !$0.attempts.lapsed(limit: 1).isEmpty }) else { return 0 }
        let lost = try await store.write { session in
            var stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
            let lapsed = try session.attempts.lapsed(limit: Self.batch)
            for attempt in lapsed { try stager.lose(attempt) }
            try stager.wakes.send(through: wakeUps, in: session)
            return lapsed
        }
        for attempt in lost {
            logger.warning(
                "lease lapsed",
                metadata: ["run": "\(attempt.run)", "attempt": "\(attempt.id)", "agent": "\(attempt.claim.agent)"])
        }
        return lost.count
    }

    /// Returns until when tasks were looked at.
    func wakeForDueRetries(since: Date?) async throws -> Date {
        let (due, now) = try await store.read { session in
            (try session.tasks.due(after: since ?? .distantPast, until: session.now), session.now)
        }
        for tasks in due { wakeUps.wake(ready: tasks) }
        return now
    }
}

extension RunStager {
    /// Ends an attempt whose lease lapsed.
    mutating func lose(_ attempt: AttemptRow) throws {
        guard let task = try session.tasks.find(attempt.task), let run = try session.runs.find(attempt.run) else {
            throw StoreError.corrupt("attempt \(attempt.id) belongs to no task")
        }
        var lifecycle = attempt.lifecycle
        guard lifecycle.leaseLapsed() == .moved else { return }
        let name = try session.agents.name(of: attempt.claim.agent) ?? attempt.claim.agent.description
        let error = TaskError(
            code: "agent_lost", message: "nothing was heard from agent '\(name)' until its lease lapsed",
            hint: "look at the agent's log on its machine: was it stopped, or cut off from the control plane?",
            retryable: true)
        try session.attempts.finish(
            attempt.id, state: lifecycle.state, metrics: nil, checks: [], error: error, snapshot: nil)
        try session.audit.append(
            actor: .system("lease-reaper"), action: "attempt.lose", subject: attempt.id.description,
            detail: [
                "run": .string(run.id.description), "task": .string(task.name),
                "agent": .string(attempt.claim.agent.description),
            ])
        try attemptEnded(.lost, task: task, run: run)
        // The agent may still poll (it was slow, not gone): let it hear that the lease is lost.
        wakes.agents.insert(attempt.claim.agent)
    }
}
