internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle

/// Fires ticks when they are due: those of schedules, and those that events noted. The one loop of
/// triggers; it sleeps until the earliest, and is woken when triggers or ticks change.
///
/// Nothing is loaded: what is due is found by an index, however many schedules there are. Each schedule
/// and each tick is a write of its own, many of which share a commit, so that one that fails holds up
/// no other.
public struct TriggerClock: Service {
    private let store: Store
    private let wakeUps: WakeUps
    private let figures: TriggerFigures
    private let logger: Logger
    private let steady: @Sendable () -> ContinuousClock.Instant

    /// Fired at the same time, and so about as many writes in one commit.
    static let batch = 256
    /// Sleeps are by a clock that never steps, ticks by one that may: after a step, a tick is late by at
    /// most this.
    static let longestSleep = Duration.seconds(5)
    /// What could not be fired, for no fault of its own, is tried again after this.
    static let retry = 30.0

    public init(
        store: Store, wakeUps: WakeUps, figures: TriggerFigures = TriggerFigures(), logger: Logger,
        steady: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.store = store
        self.wakeUps = wakeUps
        self.figures = figures
        self.logger = logger
        self.steady = steady
    }

    /// Until graceful shutdown or cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await fireUntilCancelled() }
    }

    private func fireUntilCancelled() async {
        let ticket = wakeUps.ticket(.triggers)
        defer { ticket.close() }
        var last = Date.distantFuture
        let start = steady()
        func look(rested: Bool) {
            wakeUps.attendance.look(wall: store.now(), steady: start.duration(to: steady()).seconds, rested: rested)
        }
        while true {
            var sleep = Self.longestSleep
            look(rested: true)
            do {
                // Also at the start: nobody knows what the clock did while the control plane was down.
                let now = store.now()
                if now < last.addingTimeInterval(-1) { try await takeBackTheFuture() }
                last = now
                if let next = try await fireDue() {
                    let seconds = next.timeIntervalSince(store.now())
                    sleep = min(sleep, .milliseconds(max(1, Int64((min(seconds, 60) * 1000).rounded(.up)))))
                }
            } catch {
                logger.error("firing triggers failed", metadata: ["error": "\(error)"])
                sleep = .seconds(1)
            }
            look(rested: false)
            switch await ticket.wait(upTo: sleep) {
            case .cancelled: return
            // The polls are let go first; this service has its own turn.
            case .draining: return await untilStopped()
            case .changed, .answer, .agent, .timeout: continue
            }
        }
    }

    /// After the wall clock was set back.
    func takeBackTheFuture() async throws {
        while true {
            let ahead = try await store.read { try $0.triggers.ahead(limit: Self.batch) }
            if ahead.isEmpty { return }
            logger.warning("the clock was set back", metadata: ["schedules_ahead": "\(ahead.count)"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in ahead {
                    group.addTask {
                        try await store.write { session in
                            try ScheduleFiring(session: session, wakeUps: wakeUps).takeBackTheFuture(of: id)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// Fires everything that is due; returns when the next will be.
    @discardableResult
    func fireDue() async throws -> Date? {
        while true {
            let due = try await store.read { session in
                (
                    schedules: try session.triggers.due(limit: Self.batch), ticks: try session.ticks.due(limit: Self.batch),
                    next: [try session.triggers.nextDue(), try session.ticks.nextDue()].compactMap(\.self).min()
                )
            }
            if due.schedules.isEmpty, due.ticks.isEmpty { return due.next }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in due.schedules { group.addTask { try await fire(schedule: id) } }
                for number in due.ticks { group.addTask { try await fire(tick: number) } }
                try await group.waitForAll()
            }
        }
    }

    private func fire(schedule id: ID<Trigger>) async throws {
        do {
            let lags = try await store.write { session in
                try ScheduleFiring(session: session, wakeUps: wakeUps).fire(id)
            }
            for lag in lags { figures.fired(after: lag) }
        } catch {
            logger.error("a schedule could not be fired", metadata: ["trigger": "\(id)", "error": "\(error)"])
            // Its position stays, so nothing is lost; others go on.
            try await store.write { session in
                try session.triggers.postpone(id, until: session.now + Self.retry)
            }
        }
    }

    private func fire(tick number: Int64) async throws {
        do {
            _ = try await store.write { session in try TickFiring(session: session, wakeUps: wakeUps).fire(number) }
        } catch {
            logger.error("a tick could not be fired", metadata: ["tick": "\(number)", "error": "\(error)"])
            try await store.write { session in
                try session.ticks.postpone(number, until: session.now + Self.retry)
            }
        }
    }
}
