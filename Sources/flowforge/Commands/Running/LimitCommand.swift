import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct LimitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "How much may go on at once, by pool and by named resource.",
        discussion: """
            A limit is named pool:NAME (tasks of a pool) or resource:NAME (what tasks say under `uses` in flowforge.yaml). \
            How many runs of a flow go on at once stands in the flow itself, as `concurrency`.
            """,
        subcommands: [LimitSet.self, LimitList.self, LimitRemove.self])
}

struct LimitSet: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set a limit.",
        discussion: """
            What goes on counts from the start. Lowering a limit ends nothing; nothing more begins until there is room.

              flowforge limit set resource:warehouse 3
              flowforge limit set pool:emea 20
            """)
    @Argument(help: "pool:NAME or resource:NAME.") var key: String
    @Argument(help: "Units that may be taken at once.") var slots: Int
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let limit = try await remote.client.setLimit(key, slots: slots)
        try remote.show(limit) { _, _ in "\(limit.key): \(limit.used) of \(limit.slots) in use, \(limit.waiting) waiting." }
    }
}

struct LimitList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the limits and what is taken of them.",
        discussion: """
              flowforge limit list
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.client.limits()
        try remote.show(found, empty: "no limits") { items, style in
            Table(
                [
                    .init("LIMIT", flexible: true), .init("IN USE", right: true), .init("OF", right: true),
                    .init("WAITING", right: true), .init("SET"), .init("BY", flexible: true),
                ],
                rows: items.map {
                    [
                        $0.key, "\($0.used)", "\($0.slots)", "\($0.waiting)", Figures.relative($0.setAt, to: remote.now),
                        $0.setBy,
                    ]
                })
        }
    }
}

struct LimitRemove: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a limit; what waited for it goes on.",
        discussion: """
              flowforge limit remove resource:warehouse
            """)
    @Argument(help: "pool:NAME or resource:NAME.") var key: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await remote.client.removeLimit(key)
        try remote.show(["removed": key]) { _, _ in "Limit \(key) is removed." }
    }
}
