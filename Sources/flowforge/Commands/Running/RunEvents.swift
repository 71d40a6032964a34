import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct RunEvents: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Print a run's OpenLineage events, for other catalogs.",
        discussion: """
            Each event is a JSON object on a line of its own, in the order in which the agents sent them.

              flowforge run events latest --all
            """)
    @Argument(help: "The run.") var run: String
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let id = try await remote.run(named: run)
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.lineageEvents(of: id, after: $0, limit: $1)
        }
        for event in found.items { try remote.console.print(jsonLine: event) }
        if found.items.isEmpty { remote.console.note("no events") }
        if found.next != nil { remote.console.note("there are more; --all shows them, --limit N more of them") }
    }
}
