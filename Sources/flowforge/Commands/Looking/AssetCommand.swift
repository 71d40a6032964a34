import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct AssetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "asset", abstract: "Tables of the lake: schema, statistics, checks, history.",
        subcommands: [AssetList.self, AssetShow.self])
}

struct AssetList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List an environment's published assets.",
        discussion: """
              flowforge asset list --env dev --layer gold
            """)
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Option(help: "Only this layer: bronze, silver or gold.") var layer: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let wanted = try layer.map { text throws -> Layer in
            guard let layer = Layer(rawValue: text), layer != .unknown else {
                throw CommandError(.usage, "usage", "'\(text)' is no layer", hint: "one of bronze, silver, gold")
            }
            return layer
        }
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.assets(environment: env, layer: wanted, after: $0, limit: $1)
        }
        try remote.show(found, empty: "nothing is published in '\(env)' yet") { items, style in
            Table(
                [
                    .init("ASSET", flexible: true), .init("ROWS", right: true), .init("SIZE", right: true),
                    .init("VERSION", right: true), .init("PUBLISHED"), .init("RUN", flexible: true),
                ],
                rows: items.map {
                    [
                        style.paint($0.name.description, RunTree.ink($0.name.layer)), Figures.count($0.rows),
                        Figures.bytes($0.bytes),
                        "\($0.snapshot.version)", Figures.relative($0.publishedAt, to: remote.now), $0.run.description,
                    ]
                })
        }
    }
}

struct AssetShow: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show an asset: columns, statistics, checks and history.",
        discussion: """
              flowforge asset show silver.flights --env dev
            """)
    @Argument(help: "LAYER.TABLE, e.g. silver.flights.") var name: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.asset(try assetName(name), environment: env)
        try remote.show(view) { style, width in AssetPage(asset: view, style: style, now: remote.now).render(width: width) }
    }
}
