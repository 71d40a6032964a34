internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Decides the ticks of one schedule that are due: makes their runs, records what was skipped, and
/// moves the schedule's position, all in one transaction.
struct ScheduleFiring {
    let session: Session
    let wakeUps: WakeUps

    /// Runs that one transaction makes; a catch-up of more goes on in the next.
    static let mostRuns = 32

    /// Nothing happens where the schedule does not run or is not due.
    ///
    /// - Returns: how late each tick was fired, in seconds.
    @discardableResult
    func fire(_ id: ID<Trigger>) throws -> [Double] {
        guard let trigger = try session.triggers.find(id), trigger.runs, let schedule = trigger.specification.schedule,
            let position = trigger.position, let next = trigger.nextAt, next <= session.now
        else { return [] }
        let decisions = schedule.decide(since: position, until: session.now, id: id.description)
        var lags: [Double] = []
        var left = Self.mostRuns
        for decision in decisions.items {
            if decision.verdict.runs {
                guard left > 0 else {
                    // The tick before this one is the position, and this one is due.
                    let before = decision.tick.scheduled.addingTimeInterval(-1)
                    try session.triggers.advance(id, position: before, nextAt: session.now)
                    session.whenCommitted { [wakeUps] in wakeUps.wakeTriggers() }
                    return lags
                }
                left -= 1
            }
            if let lag = try record(decision, of: trigger) { lags.append(lag) }
        }
        try session.triggers.advance(id, position: decisions.through, nextAt: decisions.next)
        return lags
    }

    /// Records what the pause of a schedule that is about to be resumed has skipped; moves its position.
    func skipPaused(_ trigger: inout TriggerRow) throws {
        guard trigger.isLive, let schedule = trigger.specification.schedule, let position = trigger.position else { return }
        let decisions = schedule.decide(since: position, until: session.now, id: trigger.id.description, paused: true)
        for decision in decisions.items { try record(decision, of: trigger) }
        trigger.position = decisions.through
    }

    /// The clock was set back, and ticks that are to come have been decided: what was recorded as skipped
    /// is taken back, and decided when its time comes. What ran is not run again.
    func takeBackTheFuture(of id: ID<Trigger>) throws {
        guard let trigger = try session.triggers.find(id), trigger.runs, let schedule = trigger.specification.schedule,
            let position = trigger.position, position > session.now
        else { return }
        let first = try session.ticks.takeBack(id)
        let back = min(session.now, first.map { $0.addingTimeInterval(-1) } ?? session.now)
        let next = schedule.decide(since: back, until: back, id: id.description).next
        try session.triggers.rewind(id, position: back, nextAt: next)
    }

    /// Returns how late a tick was fired; `nil` for one that was not. One that is recorded already, as
    /// after the clock was set back, is left alone.
    @discardableResult
    private func record(_ decision: Decision, of trigger: TriggerRow) throws -> Double? {
        let scheduled = decision.tick.scheduled
        var tick = NewTick(trigger: trigger.id, key: Self.key(scheduled), outcome: .skipped)
        tick.scheduledFor = scheduled
        switch decision.verdict {
        case .skip(let reason):
            tick.reason = reason.rawValue
            tick.count = Int64(decision.count)
            if decision.count > 1 { tick.until = decision.through }
            try session.ticks.insert(tick)
            return nil
        case .fire, .caughtUp:
            guard try session.ticks.find(trigger: trigger.id, key: tick.key) == nil else { return nil }
            let result = try TickFiring(session: session, wakeUps: wakeUps).start(trigger, scheduledFor: scheduled)
            switch result {
            case .started(let run):
                tick.outcome = decision.verdict == .fire ? .fired : .caughtUp
                tick.run = run
            case .refused(let reason): tick.reason = reason
            }
            try session.ticks.insert(tick)
            return tick.run == nil ? nil : session.now.timeIntervalSince(decision.tick.due)
        }
    }

    /// Whole seconds, RFC 3339.
    static func key(_ scheduled: Date) -> String { scheduled.formatted(Date.ISO8601FormatStyle()) }
}
