public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Removes what is older than the retention settings say, in small transactions beside those of others.
public final class Pruner: Service {
    private let store: Store
    private let settings: RetentionSettings
    private let clock: any Clock<Duration>
    private let steady: @Sendable () -> Double
    private let logger: Logger
    private let trust = Mutex<ClockTrust?>(nil)
    private let counts = Mutex<[String: Int]>([:])

    /// - Parameter steady: seconds of a clock that nobody sets; the machine's, but in tests.
    public init(
        store: Store, settings: RetentionSettings, clock: any Clock<Duration> = ContinuousClock(),
        steady: (@Sendable () -> Double)? = nil, logger: Logger
    ) {
        let start = ContinuousClock.now
        self.steady = steady ?? { (ContinuousClock.now - start).seconds }
        self.store = store
        self.settings = settings
        self.clock = clock
        self.logger = logger
    }

    /// Rows removed since the start: `runs` (with all that belongs to them), `ticks`, `logs`, `lineage_events`.
    public var removed: [String: Int] { counts.withLock { $0 } }

    /// Sweeps each ``RetentionSettings/period``, until graceful shutdown or cancellation. A sweep that
    /// fails is logged and made up for by the next; none is made while ``ClockTrust`` doubts the wall clock.
    public func run() async throws {
        guard settings.isOn else {
            return await untilStopped()
        }
        await cancelWhenGracefulShutdown { [self] in
            while true {
                do { try await clock.sleep(for: min(settings.period, .seconds(60))) } catch { return }
                do { try await sweepIfTrusted() } catch is CancellationError { return } catch {
                    logger.error("old rows could not be removed", metadata: ["error": "\(error)"])
                }
                do { try await clock.sleep(for: settings.period) } catch { return }
            }
        }
    }

    func sweepIfTrusted() async throws {
        let (now, steady) = (store.now(), steady())
        if trust.withLock({ $0 == nil }) {
            let old = now.addingTimeInterval(-ClockTrust.witnessAge)
            let witness = try await store.read { try $0.audit.lastEntry(before: old) }
            let fresh = ClockTrust(wall: now, steady: steady, witness: witness)
            trust.withLock { $0 = fresh }
            if fresh.isOnProbation(at: steady) {
                logger.notice(
                    "nothing old is removed for a day: the audit trail has a gap of more than a week, or the clock is wrong",
                    metadata: ["now": "\(now.ISO8601Format())", "before": "\(witness?.ISO8601Format() ?? "nothing")"])
            }
        }
        if let leap = trust.withLock({ $0?.look(wall: now, steady: steady) }) {
            logger.warning(
                "the clock leapt ahead; nothing old is removed for a day, so that it can be mended",
                metadata: ["seconds": "\(Int(leap))"])
        }
        if trust.withLock({ $0?.isOnProbation(at: steady) ?? true }) { return }
        try await sweep(at: now)
    }

    func sweep() async throws { try await sweep(at: store.now()) }

    /// - Parameter now: for the whole sweep, since the clock may be set meanwhile.
    private func sweep(at now: Date) async throws {
        try await sweep("logs", settings.logs, now) { try $0.retention.remove(.logs, before: $1, limit: $2) }
        try await sweep("lineage_events", settings.lineageEvents, now) {
            try $0.retention.remove(.lineageEvents, before: $1, limit: $2)
        }
        try await sweep("ticks", settings.runs, now) { try $0.ticks.remove(before: $1, limit: $2) }
        guard let cutoff = cutoff(settings.runs, now) else { return }
        let releases = settings.rollbackWindow
        var place: RetentionQueries.RunPlace?
        while true {
            let after = place
            let runs = try await store.read { try $0.retention.runs(before: cutoff, keeping: releases, after: after, limit: 50) }
            guard let last = runs.last else { return }
            for run in runs {
                do {
                    try await sweep("runs", settings.runs, now) {
                        try $0.retention.remove(run, before: $1, keeping: releases, limit: $2)
                    }
                } catch StoreError.conflict(let what) {
                    // Something refers to it that this build does not know of; better kept than forced.
                    logger.notice("an old run is kept", metadata: ["run": "\(run.run)", "reason": "\(what)"])
                }
            }
            place = last
        }
    }

    private func sweep(
        _ what: String, _ age: Duration?, _ now: Date,
        _ remove: @escaping @Sendable (Session, _ cutoff: Date, _ limit: Int) throws -> RetentionQueries.Removed
    ) async throws {
        guard let cutoff = cutoff(age, now) else { return }
        let batch = settings.batch
        var total = 0
        while true {
            try Task.checkCancellation()
            let removed = try await store.write { try remove($0, cutoff, batch) }
            counts.withLock { $0[what, default: 0] += removed.rows }
            total += removed.rows
            guard removed.isMore else { break }
            try await clock.sleep(for: settings.pause)
        }
        if total > 0 { logger.debug("old rows removed", metadata: ["what": "\(what)", "rows": "\(total)"]) }
    }

    private func cutoff(_ age: Duration?, _ now: Date) -> Date? { age.map { now.addingTimeInterval(-$0.seconds) } }

    /// What the next sweep would remove.
    public func due() async throws -> OperatorAPI.RetentionView {
        let now = store.now()
        let (runs, logs, events) = (
            cutoff(settings.runs, now), cutoff(settings.logs, now), cutoff(settings.lineageEvents, now)
        )
        let settings = settings
        return try await store.read { session in
            let retention = session.retention
            return OperatorAPI.RetentionView(
                runs: try runs.map {
                    .init(
                        seconds: settings.runs!.seconds,
                        dueRuns: try retention.dueRuns(before: $0, keeping: settings.rollbackWindow))
                },
                logs: try logs.map { .init(seconds: settings.logs!.seconds, dueRuns: try retention.due(.logs, before: $0)) },
                lineageEvents: try events.map {
                    .init(seconds: settings.lineageEvents!.seconds, dueRuns: try retention.due(.lineageEvents, before: $0))
                })
        }
    }
}
