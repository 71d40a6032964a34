internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging
public import ServiceLifecycle

/// Makes the runs of backfills, a few at a time: so many that each has its most runs open, and none that
/// would only wait. What a backfill may take of its pool is a limit of the run core, so that live work,
/// which is first come first served beside it, never waits for the whole of it. Runs that follow from its
/// own through triggers count as its own in both.
///
/// The one loop of backfills; woken when one is started and when one of their runs ends. It also does what
/// is left to do of those that are over.
public struct BackfillFeeder: Service {
    private let store: Store
    private let wakeUps: WakeUps
    private let logger: Logger

    /// Ticks that one transaction decides.
    static let batch = 20
    /// In case a wake-up was missed.
    static let pause = Duration.seconds(30)

    public init(store: Store, wakeUps: WakeUps, logger: Logger) {
        self.store = store
        self.wakeUps = wakeUps
        self.logger = logger
    }

    /// Until graceful shutdown or cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await feedUntilCancelled() }
    }

    private func feedUntilCancelled() async {
        let ticket = wakeUps.ticket(.backfills)
        defer { ticket.close() }
        while true {
            var pause = Self.pause
            do { try await feed() } catch {
                logger.error("feeding backfills failed", metadata: ["error": "\(error)"])
                pause = .seconds(1)
            }
            switch await ticket.wait(upTo: pause) {
            case .cancelled: return
            case .draining: return await untilStopped()
            case .changed, .answer, .agent, .timeout: continue
            }
        }
    }

    /// Gives every backfill the runs that it may have now.
    func feed() async throws {
        for id in try await store.read({ try $0.backfills.running() }) {
            do {
                while try await store.write({ try BackfillFeed(session: $0, wakeUps: wakeUps).feed(id) }) {}
            } catch {
                logger.error("a backfill could not go on", metadata: ["backfill": "\(id)", "error": "\(error)"])
            }
        }
        for id in try await store.read({ try $0.backfills.trailing() }) {
            do {
                while try await store.write({ try BackfillEnd(session: $0, wakeUps: wakeUps).tidy(id) }) {}
            } catch {
                logger.error("a backfill could not be ended", metadata: ["backfill": "\(id)", "error": "\(error)"])
            }
        }
    }
}

/// One step of one backfill, in one transaction.
struct BackfillFeed {
    let session: Session
    let wakeUps: WakeUps

    /// Whether there may be more to do at once.
    func feed(_ id: ID<Backfill>) throws -> Bool {
        guard let row = try session.backfills.find(id), row.state == .running else { return false }
        let live = try liveTrigger(of: row)
        var free = row.maxRuns - (try session.backfills.openRuns(id))
        var position = row.position
        for _ in 0..<BackfillFeeder.batch {
            guard let tick = row.schedule.next(after: position), tick < row.until else {
                if try session.backfills.openRuns(id) == 0, try !session.ticks.isWaiting(for: id) { try complete(row) }
                return false
            }
            position = tick
            if let reason = try obstacle(to: tick, of: row, live) {
                try session.backfills.record(tick, run: nil, reason: reason, of: id)
                continue
            }
            guard free > 0 else { return false }
            if try start(tick, of: row) { free -= 1 }
        }
        return true
    }

    /// The trigger whose ticks they are, while it fires them itself.
    private func liveTrigger(of row: BackfillRow) throws -> TriggerRow? {
        guard let name = row.trigger else { return nil }
        return try session.triggers.list(environment: row.environment, bundle: row.bundle)
            .first { $0.flow == row.flow && $0.name == name && $0.runs && $0.nextAt != nil }
    }

    /// Why the tick gets no run.
    private func obstacle(to tick: Date, of row: BackfillRow, _ live: TriggerRow?) throws -> String? {
        if let live, let schedule = live.specification.schedule, let position = live.position, tick > position,
            schedule.next(after: tick.addingTimeInterval(-1)) == tick
        {
            return "its trigger has not decided it yet"
        }
        if row.again { return nil }
        if let run = try session.backfills.succeeded(row.flowReference, at: tick) { return "succeeded before: \(run)" }
        return try session.backfills.open(row.flowReference, trigger: row.trigger, at: tick).map { "\($0) has not ended" }
    }

    /// Whether the tick got a run.
    private func start(_ tick: Date, of row: BackfillRow) throws -> Bool {
        let request = OperatorAPI.StartRun(
            environment: row.environment, bundle: row.bundle, flow: row.flow, parameters: row.parameters)
        let origin = RunOrigin(
            .backfill, trigger: row.trigger, scheduledFor: tick, backfill: row.id)
        do {
            let creation = RunCreation(
                request: request, actor: .system("backfill"), origin: origin, session: session)
            let run = try creation.run(wakeUps: wakeUps).0.id
            try session.backfills.record(tick, run: run, reason: nil, of: row.id)
            return true
        } catch let error as APIError where !error.isRetryable {
            // Nothing has been written: a run is checked before it is stored.
            try session.backfills.record(tick, run: nil, reason: "refused: \(error.message)", of: row.id)
            return false
        }
    }

    private func complete(_ row: BackfillRow) throws {
        try session.backfills.finish(row.id, as: .completed)
        _ = try session.limits.remove(.backfill(row.id.description))
        let progress = try session.backfills.progress(row.id)
        try session.audit.append(
            actor: .system("backfill"), action: "backfill.finish", subject: row.id.description,
            detail: [
                "succeeded": .integer(Int64(progress.runs[.succeeded] ?? 0)),
                "failed": .integer(Int64(progress.runs[.failed] ?? 0)), "skipped": .integer(Int64(progress.skipped)),
            ])
    }
}
