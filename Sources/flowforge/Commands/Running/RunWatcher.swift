import Dispatch
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// Follows one run to its end and ends the command with the run's own status.
struct RunWatcher {
    let remote: Remote
    let run: ID<Run>

    /// How long a run's end waits until readers of the lake see what it made. An agent moves a pointer
    /// within milliseconds; if it has died meanwhile, another is asked after some seconds.
    static let publicationPatience = Duration.seconds(10)

    /// Throws ``Ended`` unless the run succeeded.
    func watch() async throws {
        guard let state = try await Interrupts.ending({ try await follow() }) else {
            remote.console.complain(
                "\nStopped watching. The run goes on; `flowforge run watch \(run)` shows it again, "
                    + "`flowforge run cancel \(run)` ends it.")
            throw Ended(status: .interrupted)
        }
        let status = ExitStatus(state)
        if status != .ok { throw Ended(status: status) }
    }

    private func follow() async throws -> RunState {
        var version: Int64?
        var end: ContinuousClock.Instant?
        var progress = RunProgress()
        var screen = LiveScreen(console: remote.console)
        let isLive = remote.console.isTerminal && !remote.console.json
        var patience = Patience()
        while true {
            let view: OperatorAPI.RunView
            do {
                // On a terminal the clocks of what runs tick with each answer.
                view = try await remote.client.run(
                    run, since: version, wait: version == nil ? .zero : isLive || end != nil ? .seconds(1) : .seconds(20))
                patience = Patience()
            } catch {
                guard try await patience.bears(error, remote.console) else { throw error }
                continue
            }
            let waiting = view.state.isFinal ? view.unpublished ?? [] : []
            let last = end ?? .now.advanced(by: Self.publicationPatience)
            if view.state.isFinal { end = last }
            let isLast = view.state.isFinal && (waiting.isEmpty || .now >= last)
            if remote.console.json {
                if view.version != version { try remote.console.print(jsonLine: view) }
            } else if isLive {
                try screen.draw(view, isLast: isLast)
            } else {
                let lines = progress.lines(
                    for: view, style: remote.console.style, zone: remote.console.zone, now: Date())
                if !lines.isEmpty { try remote.console.print(lines.joined(separator: "\n")) }
            }
            version = view.version
            guard isLast else { continue }
            if waiting.isEmpty { return view.state }
            remote.console.complain(
                "warning: readers of the lake do not see \(waiting.map(\.description).joined(separator: ", ")) yet: no agent of the "
                    + "pool has moved the pointer. `flowforge agent list` shows whether one is online.")
            return view.state
        }
    }
}

/// Redraws a run in place. What scrolled off the top cannot be redrawn, so while the run goes on a
/// frame is never taller than the terminal.
private struct LiveScreen {
    let console: Console
    private var drawn = 0

    init(console: Console) { self.console = console }

    mutating func draw(_ run: OperatorAPI.RunView, isLast: Bool) throws {
        let tree = RunTree(run: run, style: console.style, now: Date())
        var lines = tree.lines(width: console.width)
        let room = console.height - 1
        if !isLast, lines.count > room {
            // The end of the list is where the work is, more often than not.
            lines = Array(lines.prefix(1)) + Array(lines.suffix(room - 1))
        }
        if drawn > 0 { try console.control("\u{1B}[\(drawn)A\r\u{1B}[J") }
        try console.print(lines.joined(separator: "\n"))
        drawn = lines.count
    }
}

/// Ctrl-C as a stream. While it is listened to, it does not end the program.
enum Interrupts {
    /// What `body` returns; `nil` where Ctrl-C ends it first.
    static func ending<Result: Sendable>(_ body: @Sendable @escaping () async throws -> Result) async throws -> Result? {
        // Listening begins here, not when its task gets to run.
        let interrupts = stream()
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await _ in interrupts { return nil }
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    private static func stream() -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            signal(SIGINT, SIG_IGN)
            // Dispatch sources may be used from any thread; their Linux declarations do not say so.
            nonisolated(unsafe) let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
            source.setEventHandler { continuation.yield() }
            continuation.onTermination = { _ in
                source.cancel()
                signal(SIGINT, SIG_DFL)
            }
            source.activate()
        }
    }
}
