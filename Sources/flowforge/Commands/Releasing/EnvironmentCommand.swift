import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct EnvironmentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Environments: where bundles are deployed and run.",
        subcommands: [EnvironmentCreate.self, EnvironmentList.self, EnvironmentShow.self])
}

struct EnvironmentCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create an environment.",
        discussion: """
            Creating it again with the same settings changes nothing. Values of variables are text; the control plane \
            converts them to the types that a bundle declares when it is deployed.

              flowforge env create dev --pool local --var raw_dir=/data/raw
            """)
    @Argument(help: "Name of the environment.") var name: String
    @Option(help: "The agent pool that runs its tasks.") var pool: String
    @Option(
        name: .customLong("var"),
        help: ArgumentHelp("Value of a bundle's variable; may be given often.", valueName: "name=value"))
    var variables: [Assignment] = []
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let request = OperatorAPI.CreateEnvironment(name: name, pool: pool, variables: try variables.values(option: "--var"))
        let (environment, created) = try await remote.client.createEnvironment(request)
        try remote.show(environment) { _, _ in
            created
                ? "Environment '\(name)' created on pool '\(pool)'."
                : "Environment '\(name)' was there already, with these settings."
        }
    }
}

struct EnvironmentList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the environments.",
        discussion: """
              flowforge env list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.environments(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no environments; make one with `flowforge env create`") { items, _ in
            Table(
                [.init("NAME"), .init("POOL"), .init("RELEASES", flexible: true), .init("CREATED")],
                rows: items.map { item in
                    [
                        item.name, item.pool,
                        item.releases.map { "\($0.bundle.name)@\($0.bundle.version)" }.joined(separator: ", "),
                        Figures.relative(item.createdAt, to: remote.now),
                    ]
                })
        }
    }
}

struct EnvironmentShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show an environment, its variables and its releases.",
        discussion: """
              flowforge env show dev
            """)
    @Argument(help: "Name of the environment.") var name: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let environment = try await remote.client.environment(name)
        try remote.show(environment) { style, width in
            var fields = Fields()
            fields.add("name", environment.name)
            fields.add("pool", environment.pool)
            fields.add("created", Figures.relative(environment.createdAt, to: remote.now))
            for (name, value) in environment.variables.sorted(by: { $0.key < $1.key }) {
                fields.add("var \(name)", RunTree.text(value))
            }
            guard !environment.releases.isEmpty else {
                return fields.render(style) + "\n\nNothing is deployed here; `flowforge deploy BUNDLE --env \(name)` does it."
            }
            return fields.render(style) + "\n\n" + Self.table(environment.releases, remote).render(style, width: width)
        }
    }

    private static func table(_ releases: [OperatorAPI.ReleaseView], _ remote: Remote) -> Table {
        Table(
            [
                .init("BUNDLE"), .init("RELEASE", right: true), .init("DIGEST", flexible: true), .init("DEPLOYED"),
                .init("BY", flexible: true),
            ],
            rows: releases.map {
                [
                    "\($0.bundle.name)@\($0.bundle.version)", "\($0.serial)", $0.bundle.digest,
                    Figures.relative($0.createdAt, to: remote.now), $0.createdBy,
                ]
            })
    }
}
