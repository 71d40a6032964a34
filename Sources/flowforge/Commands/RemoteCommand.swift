import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// A command that talks to a control plane.
protocol RemoteCommand: AsyncParsableCommand {
    var global: GlobalOptions { get }
    func run(_ remote: Remote) async throws
}

/// What such a command works with.
struct Remote: Sendable {
    let client: OperatorClient
    let console: Console
    /// One time for everything that one command shows.
    let now: Date
}

extension RemoteCommand {
    func run() async throws { try await Remote.with(global) { try await run($0) } }
}

extension Remote {
    /// Runs `body` with what the options and the environment say of the control plane.
    static func with(_ global: GlobalOptions, _ body: (Remote) async throws -> Void) async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let file = ContextFile(environment: environment)
        let connection = try Connection.resolve(context: global.context, environment: environment, file: file)
        if connection.contextName != nil, file.isExposed() {
            console.complain("warning: others can read your tokens; run `chmod 600 \(file.url.path)`")
        }
        try await OperatorClient.with(
            address: connection.address, trust: connection.trust, token: connection.token,
            timeout: .milliseconds(Int64(global.timeout * 1000))
        ) { client in
            try await body(Remote(client: client, console: console, now: Date()))
        }
    }
}

extension Remote {
    /// Prints `value` as JSON, or what `text` makes of it.
    func show(_ value: some Encodable, _ text: (Style, Int?) -> String) throws {
        if console.json { try console.print(json: value) } else { try console.print(text(console.style, console.width)) }
    }

    /// Prints a list as `{"items":[…]}`, or as a table, or says that it is empty.
    func show<Item>(_ page: OperatorAPI.Page<Item>, empty: String, _ table: ([Item], Style) -> Table) throws {
        if console.json { return try console.print(json: page) }
        guard !page.items.isEmpty else { return console.note(empty) }
        try console.print(table(page.items, console.style).render(console.style, width: console.width))
        if page.next != nil { console.note("there are more; --all shows them, --limit N more of them") }
    }

    /// One page of at most `limit`, or everything there is. `largest` is what a page of the API may have.
    func collect<Item>(
        limit: Int?, all: Bool, _ fetch: (_ after: String?, _ limit: Int?) async throws -> OperatorAPI.Page<Item>
    ) async throws -> OperatorAPI.Page<Item> {
        let largest = 500
        let wanted = all ? Int.max : limit ?? 50
        var page = try await fetch(nil, min(wanted, largest))
        while let next = page.next, page.items.count < wanted {
            let more = try await fetch(next, min(wanted - page.items.count, largest))
            // A cursor that stands still would have us ask for ever.
            guard !more.items.isEmpty || more.next != next else { break }
            page.items += more.items
            page.next = more.next
        }
        return page
    }
}

/// `--limit` and `--all` of the lists.
struct PageOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Show at most so many.", valueName: "n"))
    var limit: Int = 50

    @Flag(help: "Show all of them.")
    var all = false

    func validate() throws {
        guard limit >= 1 else { throw ValidationError("--limit must be at least 1") }
    }
}
