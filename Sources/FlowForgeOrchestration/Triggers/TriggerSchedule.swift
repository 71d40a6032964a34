internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What a schedule's trigger needs of the calculus of schedules.
enum TriggerSchedule {
    /// Makes a schedule that runs look forward from its position, or from `now` where it has none yet.
    /// Others, and other kinds, have no next time.
    static func arm(_ trigger: inout TriggerRow, at now: Date) {
        guard let schedule = trigger.specification.schedule else {
            trigger.position = nil
            trigger.nextAt = nil
            return
        }
        let position = trigger.position ?? now
        trigger.position = position
        trigger.nextAt =
            trigger.runs ? schedule.decide(since: position, until: position, id: trigger.id.description).next : nil
    }

    static func preview(_ trigger: TriggerRow, after now: Date, count: Int) -> [OperatorAPI.PreviewedTick] {
        guard let schedule = trigger.specification.schedule else { return [] }
        let (position, id) = (trigger.position ?? now, trigger.id.description)
        var decisions = schedule.preview(after: max(now, position), count: count, id: id)
        // Jitter holds a tick back until the next at most, so there is one of these.
        let earliest = max(position, now.addingTimeInterval(-Double(schedule.jitterSeconds)))
        if let last = schedule.ticks(after: earliest, through: now)?.last,
            let held = schedule.preview(after: last.addingTimeInterval(-1), count: 1, id: id).first,
            held.tick.scheduled == last, held.verdict == .fire, held.tick.due > now
        {
            decisions.insert(held, at: 0)
            if decisions.count(where: { $0.verdict == .fire }) > count { decisions.removeLast() }
        }
        return decisions.map { schedule.previewed($0) }
    }
}

extension Schedule {
    /// `cron 0 6 * * MON-FRI (Europe/London)`, `every 15m`
    var summary: String {
        switch cadence {
        case .cron(let cron): "cron \(cron.text) (\(zone))"
        case .interval(let interval): "every \(Quantity.duration(Double(interval.seconds)))"
        }
    }

    func previewed(_ decision: Decision) -> OperatorAPI.PreviewedTick {
        var skipped: String?
        if case .skip(let reason) = decision.verdict {
            skipped = reason.rawValue + (decision.count > 1 ? ", \(decision.count) ticks" : "")
        }
        return OperatorAPI.PreviewedTick(
            scheduledFor: decision.tick.scheduled, local: zone.text(of: decision.tick.scheduled),
            firesAt: decision.tick.due, skipped: skipped)
    }
}
