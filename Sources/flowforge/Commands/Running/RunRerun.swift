import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct RunRerun: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rerun", abstract: "Run what failed of a run again, or chosen tasks of it.",
        discussion: """
            Makes a new run with the bundle and parameters of the earlier one, of the tasks that did not succeed. Tasks \
            that are not run again keep their results, and what follows them reads those.

              flowforge run rerun latest
              flowforge run rerun run_06dp… --task clean_orders --watch
              flowforge run rerun run_06dp… --task clean_orders --only
              flowforge run rerun run_06dp… --all
            """)
    @Argument(help: "The run.") var run: String
    @Option(
        name: .customLong("task"),
        help: ArgumentHelp("This task, and what depends on it; may be given often.", valueName: "name"))
    var tasks: [String] = []
    @Flag(help: "With --task: without what depends on them.") var only = false
    @Flag(help: "Every task, whatever became of it.") var all = false
    @Option(help: ArgumentHelp("-100 to 100, instead of the earlier run's.", valueName: "n")) var priority: Int?
    @Flag(name: [.short, .long], help: "Watch the run to its end.") var watch = false
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if all, !tasks.isEmpty { throw ValidationError("--all and --task exclude each other") }
        if only, tasks.isEmpty { throw ValidationError("--only needs --task") }
    }

    func run(_ remote: Remote) async throws {
        let request = OperatorAPI.RerunRequest(
            tasks: tasks.isEmpty ? nil : tasks, only: only ? true : nil, all: all ? true : nil, priority: priority)
        let view = try await remote.client.rerun(try await remote.run(named: run), request)
        guard watch else {
            return try remote.show(view) { _, _ in
                let again = (view.tasks ?? []).count { $0.reuses == nil }
                return "Run \(view.id) started: \(Figures.count(Int64(again), "task")) again. "
                    + "`flowforge run watch \(view.id)` follows it."
            }
        }
        remote.console.note("run \(view.id)")
        try await RunWatcher(remote: remote, run: view.id).watch()
    }
}
