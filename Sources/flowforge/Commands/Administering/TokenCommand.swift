import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Short-lived tokens that act for you, e.g. in a CI job.",
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self])
}

struct TokenCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token that acts for you for a while, printed once.",
        discussion: """
            What it does is done in your name, for gates too: nobody approves his own plan with one. It lives at most an \
            hour and no longer than your own token, and ends when yours is revoked. It makes no other tokens. With \
            --env it touches nothing of other environments; with --allow it changes nothing else (plan, promote, push, \
            approve, deploy, run, manage). Jobs take it from the variable FLOWFORGE_TOKEN.

              flowforge token create --ttl 15m --role operator --env qa --allow plan,push --name ci-4711
              export FLOWFORGE_TOKEN="$(flowforge token create --ttl 10m --raw)"
            """)
    @Option(help: ArgumentHelp("How long it lives: 90s, 15m, 1h; 15m if left out.", valueName: "time")) var ttl: TimeToLive?
    @Option(help: "viewer, operator or owner, at most yours; yours if left out.") var role: String?
    @Option(help: ArgumentHelp("Confine it to this environment; may be given often.", valueName: "name")) var env: [String] = []
    @Option(help: ArgumentHelp("Confine what it changes; several apart by commas.", valueName: "actions")) var allow: [String] =
        []
    @Option(help: "What it is for.") var name: String?
    @Flag(help: "Print the token alone.") var raw = false
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let grant = try await remote.client.createToken(
            .init(
                name: name, role: try role.map { try Self.word($0, "--role") }, ttlSeconds: ttl?.seconds,
                environments: env.isEmpty ? nil : env, allow: try actions()))
        if raw, !remote.console.json { return try remote.console.print(grant.token.reveal()) }
        try remote.show(grant) { style, _ in
            let view = grant.view
            let places = view.environments.map { " in \($0.joined(separator: ", "))" } ?? ""
            let what = view.allow.map { " to \($0.map(\.rawValue).joined(separator: ", "))" } ?? ""
            return """
                \(grant.token.reveal())

                \(style.paint("It is shown this once, acts for \(view.principal) as \(view.role.rawValue)\(what)\(places), and ends \(Figures.relative(view.expiresAt, to: remote.now)).", .dim))
                """
        }
    }

    private func actions() throws -> [TokenAction]? {
        let words = allow.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        return words.isEmpty ? nil : try words.map { try Self.word($0, "--allow") }
    }

    private static func word<Word: WireEnum>(_ text: String, _ option: String) throws -> Word {
        if let word = Word(rawValue: text), word != .unknown { return word }
        let known = Word.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", ")
        throw CommandError(.usage, "usage", "\(option): '\(text.prefix(40))' is not known", hint: "one of \(known)")
    }
}

struct TokenList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List your short-lived tokens; never the secrets themselves.",
        discussion: """
              flowforge token list
            """)
    @Flag(help: "Those of everybody; for owners. (--all shows every page.)") var everybody = false
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.tokens(all: everybody, after: $0, limit: $1)
        }
        try remote.show(found, empty: "no tokens") { items, style in
            Table(
                [
                    .init("TOKEN"), .init("OF"), .init("NAME", flexible: true), .init("ROLE"), .init("ENV"), .init("MAY"),
                    .init("STATE"), .init("ENDS"),
                ],
                rows: items.map { token in
                    let state =
                        token.revoked
                        ? style.paint("revoked", .dim)
                        : token.expiresAt <= remote.now ? style.paint("expired", .dim) : style.paint("active", .green)
                    return [
                        token.id.description, token.principal, Printable.line(token.name), token.role.rawValue,
                        token.environments?.joined(separator: ",") ?? "all",
                        token.allow?.map(\.rawValue).joined(separator: ",") ?? "all", state,
                        Figures.relative(token.expiresAt, to: remote.now),
                    ]
                })
        }
    }
}

struct TokenRevoke: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a short-lived token; without an id the one that is in use.",
        discussion: """
              flowforge token revoke tok_06dp…
            """)
    @Argument(help: "The token's id.") var token: String?
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let id = try await id(remote)
        try await remote.client.revokeToken(id)
        try remote.show(["revoked": id.description]) { _, _ in "Token \(id) is revoked." }
    }

    private func id(_ remote: Remote) async throws -> ID<ShortToken> {
        if let token { return try identifier(token) }
        guard let own = try await remote.client.whoAmI().token else {
            throw CommandError(.usage, "usage", "the token in use is not short-lived", hint: "say which; `flowforge token list`")
        }
        return own.id
    }
}
