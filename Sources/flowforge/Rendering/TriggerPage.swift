import FlowForgeProtocol
import Foundation

/// Triggers and ticks as people read them.
enum TriggerPage {
    static func state(_ trigger: OperatorAPI.TriggerView, _ style: Style) -> String {
        if !trigger.live { return style.paint("gone", .dim) }
        return trigger.pausedAt == nil ? style.paint("live", .green) : style.paint("paused", .yellow)
    }

    static func outcome(_ tick: OperatorAPI.TickView, _ style: Style) -> String {
        let ink: Style.Ink =
            switch tick.outcome {
            case .fired: .green
            case .caughtUp: .cyan
            case .skipped: .yellow
            case .waiting, .unknown: .dim
            }
        return style.paint(tick.outcome.rawValue, ink)
    }

    /// The time of a schedule's tick, or the key of another's.
    static func name(_ tick: OperatorAPI.TickView, in zone: TimeZone) -> String {
        guard let time = tick.scheduledFor else { return tick.key }
        let first = Figures.time(time, in: zone)
        guard let until = tick.until, until != time else { return first }
        return "\(first) to \(Figures.time(until, in: zone))"
    }

    static func text(_ trigger: OperatorAPI.TriggerView, _ style: Style, _ remote: Remote) -> String {
        var fields = Fields()
        fields.add("trigger", trigger.id.description)
        fields.add("name", "\(trigger.bundle)/\(trigger.flow)/\(trigger.name)")
        fields.add("environment", trigger.environment)
        fields.add("when", trigger.summary)
        fields.add("state", state(trigger, style))
        if let pausedAt = trigger.pausedAt {
            fields.add("paused", "\(Figures.relative(pausedAt, to: remote.now)) by \(trigger.pausedBy ?? "?")")
        }
        fields.add(
            "next",
            trigger.nextAt.map {
                "\(Figures.time($0, in: remote.console.zone)) (\(Figures.relative($0, to: remote.now)))"
            })
        fields.add("decided up to", trigger.position.map { Figures.time($0, in: remote.console.zone) })
        if let tick = trigger.lastTick {
            fields.add(
                "last tick",
                [
                    name(tick, in: remote.console.zone), outcome(tick, style), tick.run?.description, tick.reason,
                ].compactMap(\.self).joined(separator: ", "))
        }
        fields.add("deliveries to", trigger.path)
        return fields.render(style)
    }

    static func preview(_ ticks: [OperatorAPI.PreviewedTick], _ style: Style, _ width: Int?, now: Date) -> String {
        guard !ticks.isEmpty else { return "No tick: the schedule has ended, or names times that never come." }
        return Table(
            [.init("LOCAL TIME"), .init("UTC"), .init("FIRES"), .init("NOTE", flexible: true)],
            rows: ticks.map { tick in
                [
                    tick.local, WireCoding.text(tick.scheduledFor),
                    tick.skipped == nil ? Figures.relative(tick.firesAt, to: now) : "no",
                    tick.skipped.map { "skipped: \($0)" }
                        ?? (tick.firesAt > tick.scheduledFor
                            ? "\(Figures.duration(seconds: tick.firesAt.timeIntervalSince(tick.scheduledFor))) jitter" : ""),
                ]
            }
        ).render(style, width: width)
    }
}
