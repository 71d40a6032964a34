internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Notes the ticks that follow from something that happened, in the transaction in which it did. They
/// wait in the store; ``TriggerClock`` fires them. So an event is never lost, and a flow that cannot be
/// started does not undo the report that should have started it.
struct TriggerEvents {
    let session: Session
    /// Whether a tick was noted that somebody has to fire.
    private(set) var noted = false

    init(session: Session) { self.session = session }

    /// `run` has ended as `state`.
    mutating func ended(_ run: RunRow, as state: RunState) throws {
        let triggers = try session.triggers.waiting(
            forFlow: run.flow, bundle: run.bundle.name, environment: run.environment)
        for trigger in triggers {
            guard let upstream = trigger.specification.upstream, upstream.on.includes(state) else { continue }
            var tick = NewTick(trigger: trigger.id, key: "\(run.id) \(state.rawValue)", outcome: .waiting)
            tick.dueAt = session.now + upstream.delaySeconds
            tick.cause = ["run": .string(run.id.description), "state": .string(state.rawValue)]
            tick.follow(run.origin)
            try note(tick, of: trigger)
        }
    }

    /// `run` was cancelled. What joined it while nobody had begun with it is still to be read, by another.
    mutating func cancelled(_ run: RunRow) throws {
        let joined = try session.ticks.joined(run.id)
        guard !joined.isEmpty, try !session.triggers.wasBegun(run.id) else { return }
        for (id, count) in joined {
            guard let trigger = try session.triggers.find(id), trigger.isLive else { continue }
            var tick = NewTick(trigger: id, key: "instead of \(run.id)", outcome: .waiting)
            tick.count = count
            tick.cause = ["run": .string(run.id.description), "state": .string(RunState.cancelled.rawValue)]
            tick.follow(run.origin)
            try noteOrJoin(tick, of: trigger, after: 0)
        }
    }

    /// A snapshot of `asset` was accepted. While a tick waits, or the run that the last tick started has
    /// not been begun with, the update is taken together with it: that run will read it.
    mutating func published(_ asset: AssetName, _ snapshot: SnapshotReference, environment: String, run: ID<Run>) throws {
        let triggers = try session.triggers.waiting(forAsset: asset, environment: environment)
        guard !triggers.isEmpty, let origin = try session.runs.find(run)?.origin else { return }
        for trigger in triggers {
            guard let update = trigger.specification.asset else { continue }
            let cause: JSONValue = [
                "asset": .string(asset.description), "snapshot": .string(snapshot.id.description),
                "version": .integer(Int64(snapshot.version)), "run": .string(run.description),
            ]
            var tick = NewTick(trigger: trigger.id, key: "\(asset) v\(snapshot.version)", outcome: .waiting)
            tick.cause = cause
            tick.follow(origin)
            try noteOrJoin(tick, of: trigger, after: update.debounceSeconds)
        }
    }

    /// Takes the tick together with one that waits, or with the run that the last tick started while
    /// nobody has begun with it; else notes it, to be fired after `delay` seconds.
    mutating func noteOrJoin(_ tick: NewTick, of trigger: TriggerRow, after delay: Double) throws {
        var tick = tick
        if trigger.pausedAt == nil, let waiting = try session.ticks.waiting(like: tick) {
            return try session.ticks.join(waiting.number, count: tick.count, cause: tick.cause)
        }
        if let last = try session.ticks.lastRun(of: trigger.id), try canJoin(last, tick, of: trigger) {
            tick.outcome = .skipped
            tick.reason = "joined: \(last) has not been begun with and will read it"
            tick.run = last
        } else {
            tick.dueAt = session.now + delay
        }
        try note(tick, of: trigger)
    }

    /// Whether the run will see what the tick is about, and would have been made as it is by the tick.
    private func canJoin(_ run: ID<Run>, _ tick: NewTick, of trigger: TriggerRow) throws -> Bool {
        guard try session.triggers.isUntouched(run), let row = try session.runs.find(run),
            row.origin.backfill == tick.backfill, row.origin.scheduledFor == tick.scheduledFor
        else { return false }
        return try session.releases.current(environment: trigger.environment).contains { $0.id == row.release }
    }

    /// Records the tick, as skipped if the trigger is paused; says whether it is new.
    @discardableResult
    mutating func note(_ tick: NewTick, of trigger: TriggerRow) throws -> Bool {
        var tick = tick
        if tick.outcome == .waiting, trigger.pausedAt != nil {
            tick.outcome = .skipped
            tick.dueAt = nil
            tick.reason = "paused"
        }
        let isNew = try session.ticks.insert(tick)
        if isNew, tick.outcome == .waiting { noted = true }
        return isNew
    }

    /// Has the waiting ticks fired once they are durable.
    func wake(_ wakeUps: WakeUps) {
        guard noted else { return }
        session.whenCommitted { wakeUps.wakeTriggers() }
    }
}

extension NewTick {
    /// What follows from a backfill's run is of the backfill, too, and for the same time.
    fileprivate mutating func follow(_ origin: RunOrigin) {
        guard let backfill = origin.backfill else { return }
        self.backfill = backfill
        scheduledFor = origin.scheduledFor
    }
}

extension UpstreamSpec.Condition {
    func includes(_ state: RunState) -> Bool {
        switch self {
        case .success: state == .succeeded
        case .failure: state == .failed
        case .completion: state.isFinal
        case .unknown: false
        }
    }
}

/// Notes ticks of asset triggers when a snapshot is accepted.
public struct AssetUpdates: CompletionObserver {
    private let wakeUps: WakeUps

    public init(wakeUps: WakeUps) { self.wakeUps = wakeUps }

    public func completed(_ completion: AcceptedCompletion, in session: Session) throws {
        guard let published = completion.published else { return }
        var events = TriggerEvents(session: session)
        try events.published(
            published.output.asset, published.snapshot, environment: completion.environment, run: completion.run)
        events.wake(wakeUps)
    }
}
