import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct FlowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flow", abstract: "Flows of an environment: list, pause, resume.",
        subcommands: [FlowList.self, FlowPause.self, FlowResume.self])
}

struct FlowList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the flows of an environment's releases.",
        discussion: """
              flowforge flow list --env prod
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.client.flows(environment: env)
        try remote.show(found, empty: "no flows; `flowforge deploy` brings some") { items, style in
            Table(
                [
                    .init("FLOW", flexible: true), .init("BUNDLE", flexible: true), .init("STATE", flexible: true),
                    .init("ACTIVE", right: true), .init("WAITING", right: true), .init("AT ONCE", right: true),
                ],
                rows: items.map { flow in
                    [
                        flow.flow, "\(flow.bundle.name)@\(flow.bundle.version)",
                        flow.paused.map { style.paint("paused: \(Printable.line($0.reason))", .yellow) } ?? "on",
                        "\(flow.active)", "\(flow.waiting)", flow.concurrency.map(String.init) ?? "any",
                    ]
                })
        }
    }
}

struct FlowPause: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Hand out no task of a flow until it is resumed.",
        discussion: """
            What runs is finished; runs may still be started and wait. Pausing again changes nothing.

              flowforge flow pause nightly --env prod --reason "source system is being upgraded"
            """)
    @Argument(help: "Name of the flow.") var flow: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: "Why; shown to who finds it paused.") var reason: String
    @Option(help: "The bundle, where several of the environment have such a flow.") var bundle: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.pauseFlow(flow, environment: env, .init(reason: reason, bundle: bundle))
        try remote.show(view) { _, _ in "Flow \(flow) is paused. `flowforge flow resume \(flow) --env \(env)` lets it go on." }
    }
}

struct FlowResume: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Hand out the tasks of a flow again.",
        discussion: """
              flowforge flow resume nightly --env prod
            """)
    @Argument(help: "Name of the flow.") var flow: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: "The bundle, where several of the environment have such a flow.") var bundle: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.resumeFlow(flow, environment: env, .init(bundle: bundle))
        try remote.show(view) { _, _ in "Flow \(flow) goes on." }
    }
}
