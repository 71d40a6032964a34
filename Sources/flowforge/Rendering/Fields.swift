/// `name  value` lines of a page about one thing.
struct Fields {
    private var rows: [(String, String)] = []

    mutating func add(_ name: String, _ value: String?) { if let value { rows.append((name, value)) } }

    func render(_ style: Style) -> String {
        let width = rows.map { TextWidth.of($0.0) }.max() ?? 0
        return rows.map { "\(style.paint(TextWidth.pad($0.0, to: width), .dim))  \($0.1)" }.joined(separator: "\n")
    }
}
