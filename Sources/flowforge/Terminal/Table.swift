/// Rows in aligned columns.
struct Table: Sendable {
    struct Column: Sendable {
        var title: String
        var right = false
        /// May be cut when the table is too wide.
        var flexible = false

        init(_ title: String, right: Bool = false, flexible: Bool = false) {
            self.title = title
            self.right = right
            self.flexible = flexible
        }
    }

    var columns: [Column]
    var rows: [[String]] = []

    init(_ columns: [Column], rows: [[String]] = []) {
        self.columns = columns
        self.rows = rows
    }

    /// The narrowest that a flexible column gets.
    private static let narrowest = 8
    private static let gap = 2

    /// No wider than `width`, as far as cutting flexible columns can achieve it; `nil`: nothing is cut.
    func render(_ style: Style, width: Int? = nil) -> String {
        let rows = rows.map { $0.map { $0.split(separator: "\n").joined(separator: " ") } }
        var widths = columns.indices.map { index in
            max(TextWidth.of(columns[index].title), rows.map { TextWidth.of($0[index]) }.max() ?? 0)
        }
        if let width {
            var excess = widths.reduce(0, +) + Self.gap * (columns.count - 1) - width
            while excess > 0 {
                let candidates = columns.indices.filter { columns[$0].flexible && widths[$0] > Self.narrowest }
                guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
                widths[widest] -= 1
                excess -= 1
            }
        }
        let head = line(columns.map(\.title), widths, style)
        return ([style.paint(head, .bold)] + rows.map { line($0, widths, style) }).joined(separator: "\n")
    }

    private func line(_ cells: [String], _ widths: [Int], _ style: Style) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let cut = TextWidth.cut(cell, to: widths[index], ellipsis: style.ellipsis)
            let isLast = index == cells.count - 1
            text += isLast && !columns[index].right ? cut : TextWidth.pad(cut, to: widths[index], right: columns[index].right)
            if !isLast { text += String(repeating: " ", count: Self.gap) }
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}
