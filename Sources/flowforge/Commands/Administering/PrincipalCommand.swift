import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct PrincipalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "principal", abstract: "Who may use the control plane, and as what.",
        subcommands: [PrincipalCreate.self, PrincipalList.self, PrincipalRevoke.self])
}

struct PrincipalCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a principal with an API token, printed once.",
        discussion: """
            A viewer reads; an operator also deploys and runs; an owner also manages agents, environments and \
            principals. The control plane keeps only the token's hash.

            A principal sees the whole control plane, one organisation (--org), or some of its projects \
            (--project); without either, what you see yourself.

              flowforge principal create ci --role operator --ttl 90d
              flowforge principal create rita --role owner --org retail --project stores --project web
            """)
    @Argument(help: "Name of the person or program.") var name: String
    @Option(help: "viewer, operator or owner.") var role: String
    @Option(help: ArgumentHelp("How long the token is good for: 15m, 12h, 90d; without end if left out.", valueName: "time"))
    var ttl: TimeToLive?
    @Option(name: .customLong("org"), help: "The organisation that the principal belongs to.") var organisation: String?
    @Option(help: "A project that the principal is confined to; may be repeated.") var project: [String] = []
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        guard let wanted = Role(rawValue: role), wanted != .unknown else {
            throw CommandError(.usage, "usage", "'\(role)' is no role", hint: "one of viewer, operator, owner")
        }
        let grant = try await remote.client.createPrincipal(
            .init(
                name: name, role: wanted, ttlSeconds: ttl?.seconds, organisation: organisation,
                projects: project.isEmpty ? nil : project))
        try remote.show(grant) { style, _ in
            """
            \(grant.token.reveal())

            \(style.paint("The API token of \(grant.principal.name) (\(grant.principal.role.rawValue)), shown this once. To use it:", .dim))

              flowforge login --url \(remote.client.address) --token-file FILE
            """
        }
    }
}

struct PrincipalList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the principals.",
        discussion: """
              flowforge principal list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.principals(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no principals") { items, style in
            Table(
                [
                    .init("PRINCIPAL"), .init("NAME", flexible: true), .init("ROLE"), .init("SCOPE"), .init("STATE"),
                    .init("CREATED"),
                    .init("ENDS"),
                ],
                rows: items.map { item in
                    let isOver = item.expiresAt.map { $0 <= remote.now } ?? false
                    let state =
                        item.revoked
                        ? style.paint("revoked", .dim) : isOver ? style.paint("expired", .dim) : style.paint("active", .green)
                    return [
                        item.id.description, item.name, item.role.rawValue, item.scope, state,
                        Figures.relative(item.createdAt, to: remote.now),
                        item.expiresAt.map { Figures.relative($0, to: remote.now) } ?? "never",
                    ]
                })
        }
    }
}

struct PrincipalRevoke: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a principal's token.",
        discussion: """
              flowforge principal revoke prn_06dp…
            """)
    @Argument(help: "The principal's id.") var principal: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await remote.client.revokePrincipal(try identifier(principal))
        try remote.show(["revoked": principal]) { _, _ in "Principal \(principal) is revoked." }
    }
}
