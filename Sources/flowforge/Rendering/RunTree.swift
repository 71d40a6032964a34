import FlowForgeProtocol
import Foundation

/// A run as a page: its head, its tasks by layer with what they did, and the sum of it.
struct RunTree {
    let run: OperatorAPI.RunView
    let style: Style
    let now: Date

    private var tasks: [OperatorAPI.TaskView] { run.tasks ?? [] }

    /// `width` cuts each line; `nil` cuts nothing.
    func lines(width: Int? = nil) -> [String] {
        var lines = head()
        if !tasks.isEmpty {
            lines.append("")
            lines += layers()
            lines.append("")
            lines += [summary()]
            if let waiting = run.unpublished, !waiting.isEmpty, run.state.isFinal {
                lines += [
                    style.paint(
                        "not yet seen by readers of the lake: \(waiting.map(\.description).joined(separator: ", "))", .yellow)
                ]
            }
        }
        guard let width else { return lines }
        return lines.map { TextWidth.cut($0, to: width, ellipsis: style.ellipsis) }
    }

    private func head() -> [String] {
        let sign = StateSign(run.state, style)
        let facts = [
            "\(run.bundle.name)@\(run.bundle.version) in \(run.environment)",
            "created \(Figures.relative(run.createdAt, to: now)) by \(run.createdBy)", Self.origin(run),
        ].compactMap(\.self)
        var lines = [
            "\(style.paint(run.flow, .bold))  \(style.word(sign, run.state.rawValue))\(elapsed())",
            style.paint(run.id.description, .dim),
            style.paint(facts.joined(separator: style.dot), .dim),
        ]
        if !run.parameters.isEmpty {
            let parameters = run.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.text($0.value))" }
            lines.append(style.paint("with " + parameters.joined(separator: ", "), .dim))
        }
        return lines
    }

    private func elapsed() -> String {
        guard let started = run.startedAt else { return run.waitsForOthers == true ? ", waits for other runs of the flow" : "" }
        let seconds = (run.finishedAt ?? now).timeIntervalSince(started)
        return " \(run.state.isFinal ? "in" : "for") \(Figures.duration(seconds: max(0, seconds)))"
    }

    private func layers() -> [String] {
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.name, TaskRow($0, style: style, now: now)) })
        let widths = TaskRow.widths(of: Array(rows.values))
        return Layer.allCases.flatMap { layer -> [String] in
            let inLayer = tasks.filter { $0.layer == layer }
            guard !inLayer.isEmpty else { return [] }
            let children = inLayer.compactMap { task in
                rows[task.name].map { Tree(label: $0.line(widths), notes: TaskNotes(task, style: style).lines()) }
            }
            return Tree(label: style.paint(layer.rawValue, .bold, Self.ink(layer)), children: children).lines(style)
        }
    }

    private func summary() -> String {
        let count = { (state: TaskState) in tasks.count { $0.state == state } }
        let succeeded = count(.succeeded)
        var parts = [
            style.paint(
                "\(succeeded) of \(Figures.count(Int64(tasks.count), "task")) succeeded",
                succeeded == tasks.count ? .green : .bold)
        ]
        for (state, ink) in [(TaskState.failed, Style.Ink.red), (.skipped, .yellow), (.cancelled, .yellow)] where count(state) > 0
        {
            parts.append(style.paint("\(count(state)) \(state.rawValue)", ink))
        }
        let last = tasks.compactMap(\.attempts.last)
        let quarantined = last.reduce(0) { $0 &+ ($1.metrics?.rowsQuarantined ?? 0) }
        let checks = last.flatMap(\.checks)
        if quarantined > 0 { parts.append(style.paint("\(Figures.count(quarantined, "row")) quarantined", .yellow)) }
        if !checks.isEmpty {
            parts.append("\(checks.count(where: \.passed)) of \(Figures.count(Int64(checks.count), "check")) passed")
        }
        return parts.joined(separator: style.dot)
    }

    /// `schedule nightly, for 2026-11-23T06:00:00.000Z`; nothing for what was started by hand.
    static func origin(_ run: OperatorAPI.RunView) -> String? {
        if let earlier = run.rerunOf { return "again from \(earlier)" }
        guard let cause = run.cause, cause != .manual || run.trigger != nil else { return nil }
        let name = run.trigger.map { " \($0)" } ?? ""
        return cause.rawValue + name + (run.scheduledFor.map { ", for \(WireCoding.text($0))" } ?? "")
    }

    static func ink(_ layer: Layer) -> Style.Ink {
        switch layer {
        case .bronze, .gold: .yellow
        case .silver: .cyan
        case .unknown: .dim
        }
    }

    /// A JSON value as a person would type it: text without quotes.
    static func text(_ value: JSONValue) -> String {
        if case .string(let text) = value { return Printable.line(text) }
        return (try? String(decoding: WireCoding.encode(value), as: UTF8.self)) ?? "?"
    }
}
