import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct LineageCommand: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage", abstract: "Draw where an asset or a column comes from, or what is made of it.",
        discussion: """
              flowforge lineage gold.carrier_punctuality --env dev
              flowforge lineage gold.carrier_punctuality.flights --env dev --upstream
              flowforge lineage bronze.flights.dep_time --env dev --downstream --depth 2
              flowforge lineage gold.carrier_punctuality --env prod --at 2026-12-01T00:00:00Z
            """)
    @Argument(help: "LAYER.TABLE, or LAYER.TABLE.COLUMN.") var asset: String
    @Option(help: ArgumentHelp("The environment.", valueName: "name")) var env: String
    @Flag(help: "Where it comes from (the default).") var upstream = false
    @Flag(help: "What is made of it.") var downstream = false
    @Option(help: ArgumentHelp("At most so many steps.", valueName: "n")) var depth: Int?
    @Option(help: ArgumentHelp("What the releases of that time declared, e.g. 2026-12-01T00:00:00Z.", valueName: "time"))
    var at: String?
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if upstream, downstream { throw ValidationError("give --upstream or --downstream, not both") }
        if let depth, depth < 1 { throw ValidationError("--depth must be at least 1") }
    }

    func run(_ remote: Remote) async throws {
        let (name, column) = try Self.parse(asset)
        let time = try at.map { text in
            guard let time = WireCoding.time(text) else {
                throw CommandError(.usage, "usage", "--at: '\(text)' is no time", hint: "e.g. 2026-12-01T00:00:00Z")
            }
            return time
        }
        let view = try await remote.client.lineage(
            of: name, column: column, environment: env, direction: downstream ? .downstream : .upstream, depth: depth,
            at: time)
        try remote.show(view) { style, width in
            let lines = LineageTree(view: view, style: style).lines()
            return lines.map { line in width.map { TextWidth.cut(line, to: $0, ellipsis: style.ellipsis) } ?? line }
                .joined(separator: "\n")
        }
        if view.edges.isEmpty {
            remote.console.note("nothing is known to be \(downstream ? "made of it" : "before it")")
        }
    }

    /// A column may have dots and anything else in its name; a layer and a table have none.
    static func parse(_ text: String) throws -> (AssetName, String?) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        let name = try assetName(parts.prefix(2).joined(separator: "."))
        guard parts.count == 3 else { return (name, nil) }
        guard !parts[2].isEmpty else {
            throw CommandError(.usage, "usage", "'\(text)' ends with a dot", hint: "give a column after it")
        }
        return (name, parts[2])
    }
}
