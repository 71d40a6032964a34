import FlowForgeProtocol
import Foundation

/// What changed between two looks at a run, a line each, for outputs that only grow.
struct RunProgress {
    private var seen: [String: String] = [:]
    private var runState: RunState?

    mutating func lines(for run: OperatorAPI.RunView, style: Style, zone: TimeZone, now: Date) -> [String] {
        var lines: [String] = []
        let clock = String(Figures.time(now, in: zone).suffix(8))
        for task in run.tasks ?? [] {
            let attempt = task.attempts.last
            let key = "\(task.state.rawValue)/\(attempt?.number ?? 0)"
            guard seen.updateValue(key, forKey: task.name) != key else { continue }
            guard let text = Self.text(task, attempt, style) else { continue }
            lines.append("\(style.paint(clock, .dim)) \(style.sign(StateSign(task.state, style))) \(text)")
            if task.state == .failed { lines += TaskNotes(task, style: style).lines().map { "           \($0)" } }
        }
        if runState != run.state {
            runState = run.state
            if run.state.isFinal || run.state == .cancelling {
                lines.append(
                    "\(style.paint(clock, .dim)) \(style.word(StateSign(run.state, style), "\(run.flow) \(run.state.rawValue)"))")
            }
        }
        return lines
    }

    private static func text(
        _ task: OperatorAPI.TaskView, _ attempt: OperatorAPI.AttemptView?, _ style: Style
    ) -> String? {
        switch task.state {
        case .waiting, .ready, .leased, .unknown: return nil
        case .running:
            guard let attempt else { return "\(task.name) running" }
            return "\(task.name) running on \(attempt.agentName)" + (attempt.number > 1 ? ", attempt \(attempt.number)" : "")
        default:
            var parts = ["\(task.name) \(task.state.rawValue)"]
            if let started = attempt?.startedAt, let finished = attempt?.finishedAt {
                parts[0] += " in \(Figures.duration(seconds: max(0, finished.timeIntervalSince(started))))"
            }
            if let metrics = attempt?.metrics {
                parts.append("\(Figures.count(metrics.rowsRead, "row")) in")
                parts.append("\(Figures.count(metrics.rowsWritten)) out")
                if metrics.rowsQuarantined > 0 { parts.append("\(Figures.count(metrics.rowsQuarantined)) quarantined") }
            }
            let failed = attempt?.checks.filter { !$0.passed } ?? []
            if !failed.isEmpty { parts.append("\(Figures.count(Int64(failed.count), "check")) not passed") }
            return parts.joined(separator: ", ")
        }
    }
}
