import ArgumentParser
import FlowForgeProtocol
import Foundation

struct ContextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context", abstract: "Control planes that you are logged in to.",
        subcommands: [ContextList.self, ContextUse.self, ContextShow.self, ContextRemove.self])
}

struct ContextList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the contexts.",
        discussion: """
              flowforge context list
            """)
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let book = try ContextFile(environment: environment).read()
        let entries = try book.contexts.keys.sorted().compactMap(book.entry)
        if console.json { return try console.print(json: ["items": entries]) }
        guard !entries.isEmpty else { return console.note("no contexts; `flowforge login --help` says how to make one") }
        var table = Table([.init(""), .init("NAME"), .init("CONTROL PLANE", flexible: true)])
        table.rows = entries.map { [$0.current ? "*" : "", $0.name, $0.url] }
        try console.print(table.render(console.style, width: console.width))
    }
}

struct ContextUse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "use", abstract: "Make a context the current one.",
        discussion: """
              flowforge context use staging
            """)
    @Argument(help: "Name of the context.") var name: String
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let entry = try ContextFile(environment: environment).change { book in
            guard book.contexts[name] != nil else { throw Connection.unknown(name, in: book) }
            book.current = name
            return try book.entry(name)
        }
        if console.json { return try console.print(json: entry) }
        try console.print("'\(name)' is the current context.")
    }
}

struct ContextShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a context, without its token.",
        discussion: """
              flowforge context show
              flowforge context show staging
            """)
    @Argument(help: "Name of the context; the current one if left out.") var name: String?
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let file = ContextFile(environment: environment)
        let book = try file.read()
        guard let wanted = name ?? global.context ?? book.current else {
            throw CommandError(
                .notFound, .notFound, "there is no current context",
                hint: "`flowforge context list` shows what there is, `flowforge login` makes one")
        }
        guard let entry = try book.entry(wanted) else { throw Connection.unknown(wanted, in: book) }
        if console.json { return try console.print(json: entry) }
        var fields = Fields()
        fields.add("name", entry.name + (entry.current ? " (current)" : ""))
        fields.add("control plane", entry.url)
        fields.add(
            "trusts", entry.caFingerprints.isEmpty ? "the roots of this machine" : entry.caFingerprints.joined(separator: ", "))
        fields.add("kept in", file.url.path)
        try console.print(fields.render(console.style))
    }
}

struct ContextRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget a context and its token.",
        discussion: """
              flowforge context remove staging
            """)
    @Argument(help: "Name of the context.") var name: String
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        try Self.remove(name, ContextFile(environment: environment))
        if console.json { return try console.print(json: ["removed": name]) }
        try console.print("Context '\(name)' is forgotten.")
    }

    static func remove(_ name: String, _ file: ContextFile) throws {
        try file.change { book in
            guard book.contexts.removeValue(forKey: name) != nil else { throw Connection.unknown(name, in: book) }
            // Another context must not become the target of the next command unasked.
            if book.current == name { book.current = nil }
        }
    }
}
