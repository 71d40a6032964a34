internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Turns ticks into runs. The tick is recorded and the run made in one transaction, under a key that a
/// trigger has once: whatever is repeated or restarted, a tick has one run.
struct TickFiring {
    let session: Session
    let wakeUps: WakeUps

    /// In seconds. What waits for the end of a run is looked at again after this in any case.
    static let longestHold = 300.0

    /// In seconds. What waits for a promotion is looked at again after this.
    static let promotionHold = 2.0

    enum Result: Hashable, Sendable {
        case started(ID<Run>)
        case refused(String)
    }

    /// Makes the run of a tick, or says why there is none.
    func start(
        _ trigger: TriggerRow, scheduledFor: Date? = nil, backfill: ID<Backfill>? = nil, parameters: [String: JSONValue] = [:],
        by actor: Actor? = nil
    ) throws -> Result {
        if trigger.specification.overlap == .skip, let run = try session.triggers.openRun(of: trigger, backfill: backfill) {
            return .refused("overlap: \(run) has not ended")
        }
        let request = OperatorAPI.StartRun(
            environment: trigger.environment, bundle: trigger.bundle, flow: trigger.flow,
            parameters: trigger.specification.parameters.merging(parameters) { $1 })
        let cause = RunCause(rawValue: trigger.kind.rawValue) ?? .unknown
        do {
            let creation = RunCreation(
                request: request, actor: actor ?? .system("trigger"),
                origin: RunOrigin(
                    actor == nil ? cause : .manual, trigger: trigger.name, scheduledFor: scheduledFor, backfill: backfill),
                session: session)
            let (run, _) = try creation.run(wakeUps: wakeUps)
            return .started(run.id)
        } catch let error as APIError where !error.isRetryable {
            // Nothing has been written yet: a run is checked before it is stored.
            return .refused("refused: \(error.message)")
        }
    }

    /// Fires a waiting tick; one that waits no more is left as it is. Returns the run.
    @discardableResult
    func fire(_ number: Int64) throws -> ID<Run>? {
        guard let tick = try session.ticks.find(number), tick.outcome == .waiting, let due = tick.dueAt,
            due <= session.now
        else { return nil }
        guard let trigger = try session.triggers.find(tick.trigger) else {
            throw StoreError.corrupt("tick \(number) has no trigger")
        }
        if tick.backfill != nil { session.whenCommitted { [wakeUps] in wakeUps.wakeBackfills() } }
        if let reason = try obstacle(to: tick, of: trigger) {
            try session.ticks.decide(number, .skipped, reason: reason, run: nil)
            return nil
        }
        if try session.promotions.holder(environment: trigger.environment, bundle: trigger.bundle) != nil {
            try session.ticks.hold(number, until: session.now + Self.promotionHold)
            return nil
        }
        if trigger.keepsUpdates, trigger.specification.overlap == .skip,
            try session.triggers.openRun(of: trigger, backfill: tick.backfill) != nil
        {
            try session.ticks.hold(number, until: session.now + Self.longestHold)
            return nil
        }
        switch try start(
            trigger, scheduledFor: tick.scheduledFor, backfill: tick.backfill, parameters: tick.parameters)
        {
        case .started(let run):
            try session.ticks.decide(number, .fired, reason: nil, run: run)
            return run
        case .refused(let reason):
            try session.ticks.decide(number, .skipped, reason: reason, run: nil)
            return nil
        }
    }

    /// Why nothing follows from it any more.
    private func obstacle(to tick: TickRow, of trigger: TriggerRow) throws -> String? {
        guard trigger.isLive else { return "no longer declared" }
        guard trigger.pausedAt == nil else { return "paused" }
        guard let backfill = tick.backfill, try session.backfills.find(backfill)?.state == .cancelled else { return nil }
        return "\(backfill) was cancelled"
    }
}

extension TriggerRow {
    /// Whether a tick is about something that lies there until a run reads it, and that no later tick brings.
    fileprivate var keepsUpdates: Bool { kind == .asset || kind == .file }
}
