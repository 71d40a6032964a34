import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// A plan on one screen.
struct PlanPage {
    var view: OperatorAPI.PlanView
    var plan: Plan
    var verdicts: [GateVerdict]
    var style: Style
    var width: Int?
    var zone: TimeZone

    /// Of each list; `--json` has all of it.
    static let most = 25

    var text: String {
        var parts = [head]
        if plan.isEmpty { parts.append(style.paint("Nothing would change.", .green)) }
        if !plan.content.changes.isEmpty { parts.append(changes) }
        if !plan.content.downstream.isEmpty { parts.append(downstream) }
        if !plan.content.configuration.isEmpty {
            parts.append(
                title("Configuration") + "\n"
                    + FieldChanges.text(
                        plan.content.configuration.map {
                            .init(field: "\($0.kind.rawValue) \($0.name)", before: $0.before, after: $0.after)
                        }, style))
        }
        if !plan.content.recompute.isEmpty { parts.append(recompute) }
        if !plan.content.drift.isEmpty {
            parts.append(
                title("Drift") + "\n"
                    + plan.content.drift.map { "  \(style.paint("!", .yellow)) \(Printable.line($0.message))" }.joined(
                        separator: "\n"))
        }
        if !verdicts.isEmpty { parts.append(Self.gates(verdicts, style)) }
        parts.append(summary)
        return parts.joined(separator: "\n\n")
    }

    private func title(_ text: String) -> String { style.paint(text, .bold) }

    private var head: String {
        let from =
            plan.from.map { "\($0.name)@\($0.version) \(style.rightArrow) \(plan.bundle.version)" }
            ?? "\(plan.bundle.name)@\(plan.bundle.version), for the first time"
        let source = plan.source.map { ", from '\($0)'" } ?? ""
        return "\(title("Plan")) for '\(plan.environment)': \(from) (\(plan.mode.rawValue)\(source))\n"
            + style.paint("\(view.digest)  serial \(plan.baseSerial)  expires \(Figures.time(plan.expiresAt, in: zone))", .dim)
    }

    private var changes: String {
        let rows = plan.content.changes.prefix(Self.most).map { change in
            [
                sign(change.action), change.subject, Printable.line(change.name), impact(change.impact),
                Self.details(change, style.rightArrow),
            ]
        }
        let table = Table(
            [.init(""), .init("WHAT"), .init("NAME"), .init("IMPACT"), .init("CHANGES", flexible: true)], rows: Array(rows))
        return table.render(style, width: width) + more(plan.content.changes.count)
    }

    private var downstream: String {
        let lines = plan.content.downstream.prefix(Self.most).map { hit in
            let place = hit.environment == plan.environment ? "" : "\(hit.environment): "
            return "  \(style.paint(style.cross, .red)) \(place)\(hit)  \(style.paint("by \(hit.because)", .dim))"
        }
        return ([title("Reaches downstream")] + lines).joined(separator: "\n") + more(plan.content.downstream.count)
    }

    private var recompute: String {
        let lines = plan.content.recompute.prefix(Self.most).map { item in
            let span =
                item.from.flatMap { from in
                    item.through.map {
                        ", \(item.runs) runs from \(Figures.time(from, in: zone)) through \(Figures.time($0, in: zone))"
                    }
                } ?? ""
            return "  \(item.asset)  \(style.paint("\(item.reason.rawValue), flow \(item.flow)\(span)", .dim))"
        }
        return ([title(plan.mode == .virtual ? "Made elsewhere, pointed to" : "To be made again")] + lines).joined(
            separator: "\n") + more(plan.content.recompute.count)
    }

    private func more(_ count: Int) -> String {
        count > Self.most ? "\n" + style.paint("  and \(count - Self.most) more; --json shows all", .dim) : ""
    }

    static func gates(_ verdicts: [GateVerdict], _ style: Style) -> String {
        let rows = verdicts.map { verdict -> [String] in
            let said = verdict.override.map { " (overridden by \($0.by): \($0.reason))" } ?? ""
            return [
                style.sign(StateSign(verdict.state, style)), verdict.gate, verdict.kind, verdict.enforcement.rawValue,
                Printable.line(verdict.message + said),
            ]
        }
        return Table([.init(""), .init("GATE"), .init("KIND"), .init("FORCE"), .init("SAYS", flexible: true)], rows: rows)
            .render(style, width: nil)
    }

    private var summary: String {
        let counts = [Impact.breaking, .nonBreaking, .metadata].compactMap { impact -> String? in
            let count = plan.content.changes.count { $0.impact == impact }
            return count == 0 ? nil : "\(count) \(impact.words)"
        }
        var sentences = counts.isEmpty ? [] : [counts.joined(separator: ", ")]
        if let cost = Self.cost(plan.content.cost, plan.mode) { sentences.append(cost) }
        if view.hasChanges {
            switch view.standing {
            case "open": sentences.append("`flowforge apply \(view.digest.dropFirst(7).prefix(12))` does it")
            case "pending": sentences.append("gates are pending")
            default: sentences.append(style.paint("a gate denies it", .red))
            }
        }
        return sentences.joined(separator: "; ")
    }

    static func cost(_ cost: PlanCost, _ mode: ReleaseMode) -> String? {
        guard mode == .physical, cost.seconds > 0 || !cost.unknown.isEmpty else { return nil }
        var text = "about \(Figures.duration(seconds: cost.seconds)) of work"
        if let amount = cost.amount { text += " (\((amount * 100).rounded() / 100) \(cost.currency ?? ""))" }
        if !cost.unknown.isEmpty { text += ", and \(Figures.count(Int64(cost.unknown.count), "table")) that never ran" }
        return text
    }

    private func sign(_ action: String) -> String {
        switch action {
        case "added": style.paint("+", .green)
        case "removed": style.paint("-", .red)
        default: style.paint("~", .yellow)
        }
    }

    private func impact(_ impact: Impact) -> String {
        impact == .breaking ? style.paint(impact.words, .bold, .red) : impact.words
    }

    /// Of a change what differs; what is added or removed is told by its name.
    static func details(_ change: PlanChange, _ arrow: String = Style.plain.rightArrow) -> String {
        guard change.action == "changed" else { return "" }
        return change.fields.map { field in
            let (before, after) = (FieldChanges.short(field.before), FieldChanges.short(field.after))
            return before.count + after.count > 100 ? field.name : "\(field.name): \(before) \(arrow) \(after)"
        }.joined(separator: ", ")
    }
}

/// The same as Markdown, for pull requests.
struct PlanMarkdown {
    var view: OperatorAPI.PlanView
    var plan: Plan
    var verdicts: [GateVerdict]

    var text: String {
        let from =
            plan.from.map { "`\($0.name)` \($0.version) → \(plan.bundle.version)" }
            ?? "`\(plan.bundle.name)` \(plan.bundle.version), for the first time"
        var parts = ["### Plan for `\(plan.environment)`: \(from)"]
        if plan.isEmpty { parts.append("Nothing would change.") }
        if !plan.content.changes.isEmpty {
            parts.append(
                table(
                    ["", "What", "Name", "Impact", "Changes"],
                    plan.content.changes.map {
                        [
                            ["added": "➕", "removed": "➖"][$0.action] ?? "✏️", $0.subject, code($0.name),
                            $0.impact == .breaking ? "**breaking**" : $0.impact.words, escaped(PlanPage.details($0)),
                        ]
                    }))
        }
        if !plan.content.downstream.isEmpty {
            parts.append(
                "**Reaches downstream**\n\n"
                    + list(plan.content.downstream.map { "\(code("\($0)")) in \(code($0.environment)), by \(code($0.because))" }))
        }
        if !plan.content.configuration.isEmpty {
            parts.append(
                table(
                    ["Configuration", "Before", "After"],
                    plan.content.configuration.map {
                        [
                            code("\($0.kind.rawValue) \($0.name)"), code(FieldChanges.short($0.before)),
                            code(FieldChanges.short($0.after)),
                        ]
                    }))
        }
        if !plan.content.recompute.isEmpty {
            parts.append(
                "**\(plan.mode == .virtual ? "Pointed to" : "To be made again")**: "
                    + plan.content.recompute.map { code("\($0.asset)") }.joined(separator: ", "))
        }
        if !plan.content.drift.isEmpty { parts.append("**Drift**\n\n" + list(plan.content.drift.map { escaped($0.message) })) }
        if !verdicts.isEmpty {
            parts.append(
                table(
                    ["", "Gate", "Force", "Says"],
                    verdicts.map {
                        [
                            ["passed": "✅", "failed": "❌"][$0.state.rawValue] ?? "⏳", code($0.gate), $0.enforcement.rawValue,
                            escaped($0.message),
                        ]
                    }))
        }
        if let cost = PlanPage.cost(plan.content.cost, plan.mode) { parts.append("Cost: \(cost).") }
        parts.append("Plan `\(view.digest)`, base serial \(plan.baseSerial), expires \(WireCoding.text(plan.expiresAt)).")
        return parts.joined(separator: "\n\n")
    }

    private func table(_ head: [String], _ rows: [[String]]) -> String {
        ([head, head.map { _ in "---" }] + rows).map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n")
    }

    private func list(_ items: [String]) -> String { items.map { "- \($0)" }.joined(separator: "\n") }
    /// Names may hold anything that a bundle's author wrote: no code span is left early, no cell either.
    private func code(_ text: String) -> String {
        "`\(Printable.line(text).replacing("`", with: "'").replacing("|", with: "\\|"))`"
    }
    private func escaped(_ text: String) -> String {
        Printable.line(text).reduce(into: "") { result, character in
            if "\\`*_{}[]<>()#+!|~".contains(character) { result.append("\\") }
            result.append(character)
        }
    }
}
