import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs of flows: start, watch, read logs, cancel, run again.",
        discussion: "A run is named by its id, the unique beginning of it, or `latest`.",
        subcommands: [
            RunStart.self, RunList.self, RunShow.self, RunLogs.self, RunEvents.self, RunWatch.self, RunCancel.self, RunRerun.self,
        ])
}

struct RunStart: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start a run of a flow.",
        discussion: """
            With --idempotency-key, starting again with the same key gives the run that was started first. With \
            --watch, the exit code is the run's: 0 succeeded, 1 failed, 7 cancelled.

              flowforge run start medallion --env dev --watch
              flowforge run start medallion --env dev --param month=3 --idempotency-key nightly-2026-11-23
            """)
    @Argument(help: "Name of the flow.") var flow: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: "The bundle, where several of the environment have such a flow.") var bundle: String?
    @Option(
        name: .customLong("param"),
        help: ArgumentHelp("Value of a parameter; may be given often.", valueName: "name=value"))
    var parameters: [Assignment] = []
    @Option(help: ArgumentHelp("Start at most one run with this key.", valueName: "key")) var idempotencyKey: String?
    @Option(help: ArgumentHelp("-100 to 100, instead of the flow's; more important runs go first.", valueName: "n"))
    var priority: Int?
    @Flag(name: [.short, .long], help: "Watch the run to its end.") var watch = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let request = OperatorAPI.StartRun(
            environment: env, bundle: bundle, flow: flow, parameters: try parameters.values(option: "--param"),
            idempotencyKey: idempotencyKey, priority: priority)
        let (run, created) = try await remote.client.startRun(request)
        guard watch else {
            return try remote.show(run) { _, _ in
                created
                    ? "Run \(run.id) started. `flowforge run watch \(run.id)` follows it."
                    : "Run \(run.id) was started before with this key; it is \(run.state.rawValue)."
            }
        }
        remote.console.note("run \(run.id)")
        try await RunWatcher(remote: remote, run: run.id).watch()
    }
}

struct RunList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List runs, newest first.",
        discussion: """
              flowforge run list --env dev --state failed
            """)
    @Option(help: ArgumentHelp("Only this environment.", valueName: "name")) var env: String?
    @Option(help: "Only runs in this state: queued, running, cancelling, succeeded, failed or cancelled.") var state: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let wanted = try state.map { text throws -> RunState in
            guard let state = RunState(rawValue: text), state != .unknown else {
                let known = RunState.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", ")
                throw CommandError(.usage, "usage", "'\(text)' is no state of a run", hint: "one of \(known)")
            }
            return state
        }
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.runs(environment: env, state: wanted, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no such runs") { items, style in
            Table(
                [
                    .init("RUN"), .init("FLOW", flexible: true), .init("STATE"), .init("ENV", flexible: true),
                    .init("BUNDLE", flexible: true), .init("CAUSE"), .init("CREATED"), .init("TIME", right: true),
                ],
                rows: items.map { run in
                    let end = run.finishedAt ?? (run.state.isFinal ? nil : remote.now)
                    let seconds = run.startedAt.flatMap { start in end.map { max(0, $0.timeIntervalSince(start)) } }
                    return [
                        run.id.description, run.flow, style.word(StateSign(run.state, style), run.state.rawValue),
                        run.environment,
                        "\(run.bundle.name)@\(run.bundle.version)", run.cause?.rawValue ?? "",
                        Figures.relative(run.createdAt, to: remote.now),
                        seconds.map { Figures.duration(seconds: $0) } ?? "",
                    ]
                })
        }
    }
}

struct RunShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a run: its tasks with times, rows, checks and errors.",
        discussion: """
              flowforge run show latest
            """)
    @Argument(help: "The run.") var run: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.run(try await remote.run(named: run))
        try remote.show(view) { style, width in
            RunTree(run: view, style: style, now: remote.now).lines(width: width).joined(separator: "\n")
        }
    }
}

struct RunWatch: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follow a run to its end.",
        discussion: """
            On a terminal the task tree is redrawn as it changes; elsewhere a line is printed for each change, with \
            --json a line of JSON for each version of the run. Ctrl-C ends the watching, not the run. Exit code: 0 \
            the run succeeded, 1 it failed, 7 it was cancelled, 130 the watching was interrupted.

              flowforge run watch latest
            """)
    @Argument(help: "The run.") var run: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await RunWatcher(remote: remote, run: try await remote.run(named: run)).watch()
    }
}

struct RunCancel: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel a run; what runs is ended, nothing more is started.",
        discussion: """
              flowforge run cancel run_06dp…
            """)
    @Argument(help: "The run.") var run: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.cancelRun(try await remote.run(named: run))
        try remote.show(view) { _, _ in
            switch view.state {
            case .cancelling: "Run \(view.id) is being cancelled."
            case .cancelled: "Run \(view.id) is cancelled."
            default: "Run \(view.id) had ended already: it \(view.state.rawValue)."
            }
        }
    }
}
