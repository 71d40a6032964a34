import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol

struct JoinTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Tokens that let agents join a pool.",
        subcommands: [JoinTokenCreate.self, JoinTokenList.self, JoinTokenRevoke.self])
}

struct JoinTokenCreate: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token, and print it once with the command that uses it.",
        discussion: """
            The control plane keeps only the token's hash: it cannot be shown again.

              flowforge agent token create --pool local --ttl 1h --uses 1
            """)
    @Option(help: "The pool that the agents join.") var pool: String
    @Option(help: ArgumentHelp("How long it is good for: 90s, 15m, 1h, 7d.", valueName: "time"))
    var ttl = TimeToLive(seconds: 3600)
    @Option(help: ArgumentHelp("How many agents may join with it.", valueName: "n")) var uses = 1
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let grant = try await remote.client.createJoinToken(.init(pool: pool, ttlSeconds: ttl.seconds, uses: uses))
        try remote.show(grant) { style, _ in
            """
            \(grant.token.reveal())

            \(style.paint("It is shown this once, is good for \(Figures.count(Int64(grant.uses), "agent")) and ends \(Figures.relative(grant.expiresAt, to: remote.now)). On the agent's machine:", .dim))

              flowforge-agent join --url \(grant.agentURL) --pool \(grant.pool) \\
                --ca-fingerprint \(grant.caFingerprint) \\
                --token \(grant.token.reveal())
            """
        }
    }
}

struct JoinTokenList: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the tokens; never the secrets themselves.",
        discussion: """
              flowforge agent token list
            """)
    @OptionGroup var page: PageOptions
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let found = try await remote.collect(limit: page.limit, all: page.all) {
            try await remote.client.joinTokens(after: $0, limit: $1)
        }
        try remote.show(found, empty: "no tokens") { items, style in
            Table(
                [.init("TOKEN"), .init("POOL"), .init("STATE"), .init("USED", right: true), .init("CREATED"), .init("ENDS")],
                rows: items.map { token in
                    let state =
                        token.revoked
                        ? style.paint("revoked", .dim)
                        : token.expiresAt <= remote.now
                            ? style.paint("expired", .dim)
                            : token.used >= token.uses ? style.paint("used up", .dim) : style.paint("open", .green)
                    return [
                        token.id.description, token.pool, state, "\(token.used)/\(token.uses)",
                        Figures.relative(token.createdAt, to: remote.now), Figures.relative(token.expiresAt, to: remote.now),
                    ]
                })
        }
    }
}

struct JoinTokenRevoke: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a token; agents that joined with it stay.",
        discussion: """
              flowforge agent token revoke jtk_06dp…
            """)
    @Argument(help: "The token's id.") var token: String
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try await remote.client.revokeJoinToken(try identifier(token))
        try remote.show(["revoked": token]) { _, _ in "Token \(token) is revoked." }
    }
}
