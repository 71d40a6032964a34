import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct RunLogs: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a run's tasks wrote.",
        discussion: """
            Lines of standard error are marked `!`, FlowForge's own `*`. With --json each line is an object on a line \
            of its own.

              flowforge run logs latest --task flights --follow
            """)
    @Argument(help: "The run.") var run: String
    @Option(help: "Only this task.") var task: String?
    @Flag(name: [.short, .long], help: "Go on until the run ends.") var follow = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let id = try await remote.run(named: run)
        var cursor: String?
        var patience = Patience()
        while true {
            let page: OperatorAPI.LogPage
            do {
                page = try await remote.client.logs(
                    of: id, task: task, after: cursor, limit: 500, wait: follow && cursor != nil ? .seconds(20) : .zero)
                patience = Patience()
            } catch {
                guard follow, try await patience.bears(error, remote.console) else { throw error }
                continue
            }
            for line in page.lines { try show(line, remote.console) }
            // A page without lines is the end of what there is, for who does not follow.
            if page.complete || (!follow && page.lines.isEmpty) { return }
            cursor = page.next
        }
    }

    private func show(_ line: OperatorAPI.RunLogLine, _ console: Console) throws {
        if console.json { return try console.print(jsonLine: line) }
        let style = console.style
        let mark =
            switch line.line.stream {
            case .stderr: style.paint("!", .yellow)
            case .system: style.paint("*", .cyan)
            default: " "
            }
        let clock = String(Figures.time(line.line.at, in: console.zone).suffix(8))
        let task = line.task + (line.attempt > 1 ? "#\(line.attempt)" : "")
        // Colour codes that a task wrote would not end with its line.
        let text = Printable.text(line.line.text, keepingColour: false)
        try console.print("\(style.paint(clock, .dim)) \(style.paint(task, .blue)) \(mark) \(text)")
    }
}
