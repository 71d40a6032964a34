/// A label with what hangs below it.
struct Tree: Hashable, Sendable {
    var label: String
    /// Lines that belong to the label, shown below it and before the children.
    var notes: [String] = []
    var children: [Tree] = []

    /// One line each, the root without a branch before it.
    func lines(_ style: Style) -> [String] {
        var result = [label]
        append(below: "", to: &result, style)
        return result
    }

    private func append(below prefix: String, to lines: inout [String], _ style: Style) {
        let (bar, tee, corner) = style.unicode ? ("│", "├─ ", "└─ ") : ("|", "|- ", "`- ")
        for note in notes { lines.append(prefix + (children.isEmpty ? "   " : style.paint(bar, .dim) + "  ") + note) }
        for (index, child) in children.enumerated() {
            let isLast = index == children.count - 1
            lines.append(prefix + style.paint(isLast ? corner : tee, .dim) + child.label)
            child.append(below: prefix + (isLast ? "   " : style.paint(bar, .dim) + "  "), to: &lines, style)
        }
    }
}
