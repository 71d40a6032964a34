import FlowForgeProtocol

/// What there is to say below a task: why attempts failed, and which checks did not pass.
struct TaskNotes {
    let task: OperatorAPI.TaskView
    let style: Style

    init(_ task: OperatorAPI.TaskView, style: Style) {
        self.task = task
        self.style = style
    }

    func lines() -> [String] { task.attempts.flatMap(failure) + (task.attempts.last?.checks ?? []).flatMap(check) }

    private func failure(_ attempt: OperatorAPI.AttemptView) -> [String] {
        let isLast = attempt.number == task.attempts.last?.number
        let ink: Style.Ink = isLast && task.state == .failed ? .red : .yellow
        let prefix = task.attempts.count > 1 ? "attempt \(attempt.number) on \(attempt.agentName): " : ""
        guard let error = attempt.error else {
            // A lease that lapsed has no error of its own.
            guard attempt.state == .lost else { return [] }
            return [style.paint("\(prefix)lost: \(attempt.agentName) was not heard of until its lease lapsed", ink)]
        }
        let text = error.message.split(whereSeparator: \.isNewline).map(String.init)
        var lines = [style.paint("\(prefix)\(error.code): \(text.first ?? "")", ink)]
        lines += text.dropFirst().prefix(12).map { style.paint("  \($0)", ink) }
        if text.count > 13 { lines.append(style.paint("  \(style.ellipsis) \(text.count - 13) more lines", .dim)) }
        if isLast, let hint = error.hint { lines.append("\(style.paint("hint:", .cyan)) \(Printable.line(hint))") }
        return lines
    }

    private func check(_ check: CheckResult) -> [String] {
        guard !check.passed else { return [] }
        let isGrave = check.severity != .warn
        let rows = check.failingRows.map { ", \(Figures.count($0, "row"))" } ?? ""
        return [
            style.paint("\(isGrave ? style.cross : style.warning) \(check.name)\(rows): ", isGrave ? .red : .yellow)
                + Printable.line(check.message)
        ]
    }
}
