import ArgumentParser
import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol

struct EnvironmentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Environments: where bundles are deployed and run.",
        subcommands: [
            EnvironmentApply.self, EnvironmentCreate.self, EnvironmentList.self, EnvironmentShow.self, EnvironmentExport.self,
            EnvironmentDiff.self, EnvironmentOverride.self, EnvironmentReleases.self,
            EnvironmentGateSecret.self,
        ])
}

struct EnvironmentCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create an environment of a pool and values alone.",
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
                [
                    .init("NAME"), .init("TIER"), .init("UPSTREAM"), .init("POOL"), .init("RELEASES", flexible: true),
                    .init("CREATED"),
                ],
                rows: items.map { item in
                    [
                        item.name, item.tier, item.upstream.joined(separator: ", "), item.pool,
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
            fields.add("tier", environment.tier)
            fields.add("upstream", environment.upstream.isEmpty ? nil : environment.upstream.joined(separator: ", "))
            fields.add("pool", environment.pool)
            fields.add("serial", "\(environment.serial)")
            fields.add("created", Figures.relative(environment.createdAt, to: remote.now))
            fields.add("expires", environment.expiresAt.map { Figures.time($0, in: remote.console.zone) })
            if let spec = try? environment.spec?.decoded(as: EnvironmentSpec.self) { Self.add(spec, to: &fields) }
            for (name, value) in environment.variables.sorted(by: { $0.key < $1.key }) {
                let layer = environment.effective?[name]?.layer
                let origin = layer.map { $0 == "environment" ? "" : style.paint("  (\($0))", .dim) } ?? ""
                fields.add("var \(name)", RunTree.text(value) + origin)
            }
            guard !environment.releases.isEmpty else {
                return fields.render(style) + "\n\nNothing is deployed here; `flowforge deploy BUNDLE --env \(name)` does it."
            }
            return fields.render(style) + "\n\n" + Self.table(environment.releases, remote).render(style, width: width)
        }
    }

    private static func add(_ spec: EnvironmentSpec, to fields: inout Fields) {
        fields.add("description", spec.description.isEmpty ? nil : Printable.line(spec.description))
        fields.add("regions", spec.regions.isEmpty ? nil : spec.regions.joined(separator: ", "))
        fields.add("residency", spec.residency)
        fields.add("classification", spec.classification.map { "up to \($0.rawValue)" })
        for (name, pool) in (spec.pools ?? [:]).sorted(by: { $0.key < $1.key }) { fields.add("pool \(name)", pool) }
        for (name, reference) in spec.credentials.sorted(by: { $0.key < $1.key }) { fields.add("credential \(name)", reference) }
        for (layer, root) in spec.storage.sorted(by: { $0.key < $1.key }) { fields.add("storage \(layer)", root) }
        fields.add("changes", spec.protection.requiresPlan ? "by plans only" : nil)
        for gate in spec.gates { fields.add("gate \(gate.name)", "\(gate.rule.kind), \(gate.enforcement.rawValue)") }
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
