import FlowForgeProtocol
import Foundation

/// One task on one line, in columns that line up over all layers.
struct TaskRow {
    private let cells: [String]
    /// What does not stand in a column: progress while it runs, the state where that is not plain.
    private let tail: String
    private let style: Style

    init(_ task: OperatorAPI.TaskView, style: Style, now: Date) {
        self.style = style
        let sign = StateSign(task.state, style)
        let last = task.attempts.last
        let seconds = Self.seconds(last, now: now)
        let metrics = last?.metrics
        cells = [
            "\(style.sign(sign)) \(task.output.map { $0.table == task.name ? "\(task.name)" : "\(task.name) \(style.paint("\(style.rightArrow) \($0)", .dim))" } ?? task.name)",
            seconds.map { Figures.duration(seconds: $0) } ?? "",
            metrics.map { "\(Figures.count($0.rowsRead)) in" } ?? "",
            metrics.map { "\(Figures.count($0.rowsWritten)) out" } ?? "",
            metrics.map { $0.rowsQuarantined > 0 ? style.paint("\(Figures.count($0.rowsQuarantined)) quarantined", .yellow) : "" }
                ?? "",
            Self.checks(last?.checks ?? [], style),
        ]
        tail = Self.tail(task, last, sign, style)
    }

    private static func seconds(_ attempt: OperatorAPI.AttemptView?, now: Date) -> Double? {
        guard let attempt, let started = attempt.startedAt else { return nil }
        return max(0, (attempt.finishedAt ?? now).timeIntervalSince(started))
    }

    private static func checks(_ checks: [CheckResult], _ style: Style) -> String {
        guard !checks.isEmpty else { return "" }
        let failed = checks.filter { !$0.passed }
        let number = Figures.count(Int64(checks.count), "check")
        if failed.isEmpty { return "\(number) \(style.paint(style.tick, .green))" }
        let isGrave = failed.contains { $0.severity != .warn }
        return "\(number) "
            + style.paint(
                "\(isGrave ? style.cross : style.warning) \(failed.count) \(isGrave ? "failed" : "warned")",
                isGrave ? .red : .yellow)
    }

    private static func tail(
        _ task: OperatorAPI.TaskView, _ last: OperatorAPI.AttemptView?, _ sign: StateSign, _ style: Style
    ) -> String {
        var parts: [String] = []
        switch task.state {
        case .succeeded: if task.reuses != nil { parts.append(style.paint("kept from the earlier run", .dim)) }
        case .ready where task.waitsFor != nil:
            parts.append(style.paint("waits for \(Printable.line(task.waitsFor ?? ""))", .yellow))
        case .ready: parts.append(style.paint("waits for an agent of pool \(Printable.line(task.pool))", sign.ink))
        case .running:
            if let progress = last?.progress {
                let percent = progress.percent.map { " \(Int(max(0, min(100, $0)).rounded(.down))) %" } ?? ""
                parts.append(
                    style.paint("step \(progress.step) of \(progress.steps): \(Printable.line(progress.label))\(percent)", .cyan))
            } else {
                parts.append(style.paint("running", .cyan))
            }
        case .skipped: parts.append(style.paint("skipped: something upstream did not succeed", .yellow))
        default: parts.append(style.paint(task.state.rawValue, sign.ink))
        }
        if let last, last.number > 1 { parts.append(style.paint("attempt \(last.number)", .yellow)) }
        return parts.joined(separator: style.dot)
    }

    static func widths(of rows: [TaskRow]) -> [Int] {
        (0..<6).map { index in rows.map { TextWidth.of($0.cells[index]) }.max() ?? 0 }
    }

    func line(_ widths: [Int]) -> String {
        var text = ""
        // What there is to say comes right after the last figure, not behind empty columns.
        let last = cells.lastIndex { !$0.isEmpty } ?? 0
        for (index, cell) in cells.enumerated().prefix(last + 1) where widths[index] > 0 {
            let isFigure = (1...4).contains(index)
            text += (index == 0 ? "" : "  ") + TextWidth.pad(cell, to: widths[index], right: isFigure)
        }
        text += tail.isEmpty ? "" : "  \(tail)"
        while text.last == " " { text.removeLast() }
        return text
    }
}
