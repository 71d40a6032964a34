import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Agents: what runs the work, beside the data.",
        discussion: "An agent is named by its id, the unique beginning of it, or its name.",
        subcommands: [
            AgentList.self, AgentShow.self, AgentDrain.self, AgentResume.self, AgentRevoke.self, JoinTokenCommand.self,
        ])
}

struct AgentList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the agents.",
        discussion: """
              flowforge agent list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.agents(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no agents; `flowforge agent token create` lets one join") { items, style in
            Table(
                [
                    .init("AGENT"), .init("NAME", flexible: true), .init("POOL"), .init("STATE"), .init("BUSY", right: true),
                    .init("ENGINES", flexible: true), .init("LAST POLL"),
                ],
                rows: items.map { agent in
                    [
                        agent.id.description, agent.name, agent.pool,
                        style.word(StateSign(agent.state, style), agent.state.rawValue),
                        "\(agent.leases)/\(agent.slots)",
                        agent.engines.map { "\($0.name) \($0.version)" }.joined(separator: ", "),
                        agent.lastPollAt.map { Figures.relative($0, to: remote.now) } ?? "never",
                    ]
                })
        }
    }
}

struct AgentShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show an agent.",
        discussion: """
              flowforge agent show demo
            """)
    @Argument(help: "The agent.") var agent: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.agent(try await remote.agent(named: agent))
        try remote.show(view) { style, _ in Self.page(view, style, remote) }
    }

    static func page(_ agent: OperatorAPI.AgentView, _ style: Style, _ remote: Remote) -> String {
        var fields = Fields()
        fields.add("agent", agent.id.description)
        fields.add("name", agent.name)
        fields.add("state", style.word(StateSign(agent.state, style), agent.state.rawValue))
        fields.add("reason", agent.reason)
        fields.add("do", agent.hint)
        fields.add("pool", agent.pool)
        fields.add("busy", "\(agent.leases) of \(Figures.count(Int64(agent.slots), "slot"))")
        fields.add("engines", agent.engines.map { "\($0.name) \($0.version)" }.joined(separator: ", "))
        let labels = agent.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
        fields.add("labels", labels.isEmpty ? nil : labels)
        fields.add("version", agent.agentVersion)
        fields.add("joined", Figures.relative(agent.joinedAt, to: remote.now))
        fields.add("last poll", agent.lastPollAt.map { Figures.relative($0, to: remote.now) } ?? "never")
        fields.add("certificate ends", Figures.relative(agent.certificateNotAfter, to: remote.now))
        fields.add("identity", agent.spiffeID)
        return fields.render(style)
    }
}

struct AgentDrain: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Let an agent finish what it runs and give it nothing new.",
        discussion: """
              flowforge agent drain demo
            """)
    @Argument(help: "The agent.") var agent: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.drainAgent(try await remote.agent(named: agent))
        try remote.show(view) { _, _ in
            "Agent \(view.name) is draining; it still runs \(Figures.count(Int64(view.leases), "task"))."
        }
    }
}

struct AgentResume: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Give a drained agent work again.",
        discussion: """
              flowforge agent resume demo
            """)
    @Argument(help: "The agent.") var agent: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.resumeAgent(try await remote.agent(named: agent))
        try remote.show(view) { _, _ in "Agent \(view.name) takes work again (it is \(view.state.rawValue))." }
    }
}

struct AgentRevoke: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Shut an agent out for good; its certificates are refused from now on.",
        discussion: """
            What it runs is handed to another agent. It cannot be undone: the machine joins again, as a new agent.

              flowforge agent revoke agt_06dp…
            """)
    @Argument(help: "The agent.") var agent: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.revokeAgent(try await remote.agent(named: agent))
        try remote.show(view) { _, _ in "Agent \(view.name) (\(view.id)) is revoked." }
    }
}
