import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol

/// A ``BundleDiff`` as a table, a line for each change.
struct DiffPage {
    var diff: BundleDiff
    var style: Style
    var width: Int?

    var text: String {
        let table = Table(
            [.init(""), .init("WHAT"), .init("NAME"), .init("IMPACT"), .init("CHANGES", flexible: true)],
            rows: diff.changes.map { change in
                [
                    sign(change.action), change.subject.rawValue, Printable.line(change.name), impact(change.impact),
                    details(change),
                ]
            })
        return table.render(style, width: width) + "\n" + summary
    }

    private var summary: String {
        let counts = [Impact.breaking, .nonBreaking, .metadata].compactMap { impact in
            let count = diff.changes.count { $0.impact == impact }
            return count == 0 ? nil : "\(count) \(impact.rawValue.replacing("_", with: "-"))"
        }
        return "\(BundleDiffCommand.name(diff.from)) \(style.rightArrow) \(BundleDiffCommand.name(diff.to)): "
            + counts.joined(separator: ", ")
    }

    private func sign(_ action: BundleDiff.Action) -> String {
        switch action {
        case .added: style.paint("+", .green)
        case .removed: style.paint("-", .red)
        case .changed: style.paint("~", .yellow)
        }
    }

    private func impact(_ impact: Impact) -> String {
        let word = impact.rawValue.replacing("_", with: "-")
        return impact == .breaking ? style.paint(word, .bold, .red) : word
    }

    /// Of a change what differs; what is added or removed is told by its name.
    private func details(_ change: BundleDiff.Change) -> String {
        guard change.action == .changed else { return "" }
        return change.fields.map { field in
            let (before, after) = (Self.short(field.before), Self.short(field.after))
            return before.count + after.count > 100 ? field.name : "\(field.name): \(before) \(style.rightArrow) \(after)"
        }.joined(separator: ", ")
    }

    private static func short(_ value: JSONValue?) -> String {
        guard let value else { return "none" }
        if let text = value.string { return Printable.line(text) }
        return (try? WireCoding.encode(value)).map { Printable.line(String(decoding: $0, as: UTF8.self)) } ?? "?"
    }
}
