/// Colours and signs for one output: none of either where it is no terminal that shows them.
struct Style: Hashable, Sendable {
    enum Ink: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case blue = "34"
        case cyan = "36"
    }

    var colour: Bool
    /// Whether signs outside ASCII can be shown.
    var unicode: Bool

    static let plain = Style(colour: false, unicode: true)
    static let ascii = Style(colour: false, unicode: false)

    func paint(_ text: String, _ inks: Ink...) -> String {
        guard colour, !text.isEmpty, !inks.isEmpty else { return text }
        return "\u{1B}[\(inks.map(\.rawValue).joined(separator: ";"))m\(text)\u{1B}[0m"
    }

    var tick: String { unicode ? "✔" : "ok" }
    var cross: String { unicode ? "✖" : "X" }
    var warning: String { unicode ? "▲" : "!" }
    var dot: String { unicode ? " · " : " - " }
    var ellipsis: String { unicode ? "…" : "..." }
    var rightArrow: String { unicode ? "→" : "->" }
}
