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
        if try session.promotions.holder(environment: trigger.environment, bundle: trigger.bundle) != nil {
            try session.triggers.postpone(id, until: session.now + TickFiring.promotionHold)
            return []
        }
        let decisions = schedule.decide(
            since: position, until: session.now, id: id.description, attended: wakeUps.attendance.since)
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

    /// Before a schedule is replaced or ends: what it has called for by now is noted, to be fired when jitter
    /// lets it, or recorded as skipped. No run is made here, however many there are.
    func settle(_ trigger: TriggerRow) throws { _ = try note(trigger, early: true) }

    /// Records what the pause of a schedule that is about to be resumed has skipped; moves its position.
    func skipPaused(_ trigger: inout TriggerRow) throws {
        if let through = try note(trigger, early: false) { trigger.position = through }
    }

    /// Returns up to when its ticks are noted.
    private func note(_ trigger: TriggerRow, early: Bool) throws -> Date? {
        guard trigger.isLive, let schedule = trigger.specification.schedule, let position = trigger.position else { return nil }
        let decisions = schedule.decide(
            since: position, until: session.now, id: trigger.id.description, paused: trigger.pausedAt != nil,
            attended: wakeUps.attendance.since, early: early)
        for decision in decisions.items {
            guard decision.verdict.runs else {
                try record(decision, of: trigger)
                continue
            }
            var tick = NewTick(trigger: trigger.id, key: Self.key(decision.tick.scheduled), outcome: .waiting)
            tick.scheduledFor = decision.tick.scheduled
            tick.dueAt = decision.tick.due
            try session.ticks.insert(tick)
        }
        return decisions.through
    }

    /// The clock was set back, and ticks that are to come have been decided: what was recorded as skipped
    /// only for what the time was is taken back, and decided when its time comes. What ran, was refused or
    /// fell into a pause stays.
    func takeBackTheFuture(of id: ID<Trigger>) throws {
        guard let trigger = try session.triggers.find(id), trigger.isLive, let schedule = trigger.specification.schedule,
            let position = trigger.position, position > session.now
        else { return }
        let now = session.now
        for row in try session.ticks.takeBack(id, reasons: Self.reasonsOfTime.map(\.rawValue)) {
            guard let first = row.scheduledFor,
                let kept = schedule.ticks(after: first.addingTimeInterval(-1), through: now)
            else { continue }
            try session.ticks.cut(row.number, until: kept.count > 1 ? kept.last : nil, count: Int64(kept.count))
        }
        let next = trigger.runs ? schedule.decide(since: now, until: now, id: id.description).next : nil
        try session.triggers.rewind(id, position: now, nextAt: next)
    }

    private static let reasonsOfTime: [SkipReason] = [.missed, .superseded, .window, .cap]

    /// Returns how late a tick was fired; `nil` for one that was not. One that is recorded already, as
    /// after the clock was set back, is left alone.
    @discardableResult
    private func record(_ decision: Decision, of trigger: TriggerRow) throws -> Double? {
        let scheduled = decision.tick.scheduled
        let recorded = try session.ticks.recorded(
            of: trigger.id, from: Self.key(scheduled), through: Self.key(decision.through)
        ).filter { $0.until >= scheduled }
        var tick = NewTick(trigger: trigger.id, key: Self.key(scheduled), outcome: .skipped)
        tick.scheduledFor = scheduled
        switch decision.verdict {
        case .skip(let reason):
            tick.reason = reason.rawValue
            for piece in try pieces(of: decision, without: recorded, trigger) {
                tick.key = Self.key(piece.first)
                tick.scheduledFor = piece.first
                tick.until = piece.count > 1 ? piece.last : nil
                tick.count = Int64(piece.count)
                try session.ticks.insert(tick)
            }
            return nil
        case .fire, .caughtUp:
            guard recorded.isEmpty else { return nil }
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

    /// What is left of skipped ticks without those that are recorded, in order.
    private func pieces(
        of decision: Decision, without recorded: [TickQueries.Span], _ trigger: TriggerRow
    ) throws -> [(first: Date, last: Date, count: Int)] {
        guard !recorded.isEmpty, let schedule = trigger.specification.schedule else {
            return [(decision.tick.scheduled, decision.through, decision.count)]
        }
        var pieces: [(first: Date, last: Date, count: Int)] = []
        // Ticks are whole seconds.
        var after = decision.tick.scheduled.addingTimeInterval(-1)
        for span in recorded {
            if let piece = schedule.ticks(after: after, through: span.first.addingTimeInterval(-1)) { pieces.append(piece) }
            after = max(after, span.until)
        }
        if let piece = schedule.ticks(after: after, through: decision.through) { pieces.append(piece) }
        return pieces
    }

    /// Whole seconds, RFC 3339. Their order is that of the times.
    static func key(_ scheduled: Date) -> String { scheduled.formatted(Date.ISO8601FormatStyle()) }
}
