import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// A change of an environment, on a page or line by line.
struct PromotionPage {
    var view: OperatorAPI.PromotionView
    var style: Style
    var zone: TimeZone

    static func title(_ view: OperatorAPI.PromotionView) -> String {
        let from = view.source.map { " from '\($0)'" } ?? ""
        return
            "\(view.id)  \(view.kind) \(view.bundle.name)@\(view.bundle.version)\(from) to '\(view.environment)' (\(view.mode))"
    }

    static func state(_ state: String, _ style: Style) -> String {
        switch PromotionState(rawValue: state) {
        case .succeeded: style.paint(state, .green)
        case .undone, .refused: style.paint(state, .red)
        case .cancelled, .expired: style.paint(state, .yellow)
        default: style.paint(state, .cyan)
        }
    }

    static func line(_ entry: OperatorAPI.JournalEntry, _ style: Style, _ zone: TimeZone) -> String {
        let time = style.paint(Figures.time(entry.at, in: zone), .dim)
        let word = entry.event == "state" ? "" : "\(entry.step ?? "") \(entry.event)  "
        let text = "\(word)\(Printable.line(entry.message))"
        return "\(time)  \(entry.event == "failed" ? style.paint(text, .red) : text)"
    }

    static func end(_ view: OperatorAPI.PromotionView, _ style: Style) -> String {
        let message =
            view.message.isEmpty || view.state == PromotionState.succeeded.rawValue ? "" : ": \(Printable.line(view.message))"
        return "\(state(view.state, style))\(message)"
    }

    var text: String {
        var fields = Fields()
        fields.add("promotion", view.id.description)
        fields.add("kind", view.kind)
        fields.add("bundle", "\(view.bundle.name)@\(view.bundle.version)")
        fields.add("environment", view.source.map { "\($0) \(style.rightArrow) \(view.environment)" } ?? view.environment)
        fields.add("mode", view.mode)
        fields.add("state", Self.state(view.state, style))
        fields.add("stands", view.message.isEmpty ? nil : Printable.line(view.message))
        fields.add("reason", view.reason.isEmpty ? nil : Printable.line(view.reason))
        fields.add("plan", view.plan)
        fields.add("asked", "\(Figures.time(view.requestedAt, in: zone)) by \(view.requestedBy)")
        fields.add("ended", view.finishedAt.map { Figures.time($0, in: zone) })
        fields.add("release", view.release?.description)
        fields.add("runs", view.runs.isEmpty ? nil : view.runs.map(\.description).joined(separator: " "))
        let steps = view.steps.map { view.done.contains($0) ? style.paint($0, .green) : $0 }
        fields.add("steps", steps.joined(separator: " \(style.rightArrow) "))
        var parts = [fields.render(style)]
        let verdicts = (view.verdicts ?? []).compactMap { try? $0.decoded(as: GateVerdict.self) }
        if !verdicts.isEmpty { parts.append(PlanPage.gates(verdicts, style)) }
        if let journal = view.journal, !journal.isEmpty {
            parts.append(journal.map { Self.line($0, style, zone) }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n")
    }
}
