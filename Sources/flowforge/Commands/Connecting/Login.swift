import ArgumentParser
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Log in to a control plane and remember it as a context.",
        discussion: """
            The server is verified before the token is sent: against a CA file, or against the fingerprint of its CA, \
            whose certificate is then fetched and pinned. `flowforged init` prints both. With neither, the roots that \
            this machine trusts are used.

              flowforge login --url https://10.0.0.5:8444 --token-file owner-token --ca-file ca.pem
              flowforge login --url https://10.0.0.5:8444 --ca-fingerprint sha256:ab12… < owner-token

            A token on the command line shows in the list of processes; prefer --token-file.
            """)

    @Option(help: "Address of the operator API.") var url: String
    @Option(help: "The API token; - reads it from standard input.") var token: String?
    @Option(help: ArgumentHelp("A file that holds the API token; - is standard input.", valueName: "file"))
    var tokenFile: String?
    @Option(help: ArgumentHelp("PEM file of the control plane's CA.", valueName: "file"))
    var caFile: String?
    @Option(help: ArgumentHelp("SHA-256 fingerprint of the control plane's CA.", valueName: "sha256:hex"))
    var caFingerprint: String?
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if token != nil, tokenFile != nil { throw ValidationError("give --token or --token-file, not both") }
        if caFile != nil, caFingerprint != nil { throw ValidationError("give --ca-file or --ca-fingerprint, not both") }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let address = try ServerAddress(url)
        let token = try readToken(console)
        let timeout = Duration.milliseconds(Int64(global.timeout * 1000))
        let trust = try await trust(in: address, timeout: timeout)
        let who = try await OperatorClient.with(address: address, trust: trust, token: token, timeout: timeout) {
            try await $0.whoAmI()
        }
        let name = global.context ?? "default"
        var pem: String?
        if case .pinned(let text) = trust { pem = text }
        let context = Context(url: address.description, token: token, ca: pem)
        let file = ContextFile(environment: environment)
        try file.change { book in
            book.contexts[name] = context
            book.current = name
        }
        if console.json { return try console.print(json: who) }
        try console.print("Logged in to \(address) as \(who.name) (\(who.role.rawValue)).")
        console.note("Context '\(name)', kept in \(file.url.path).")
    }

    private func trust(in address: ServerAddress, timeout: Duration) async throws -> ServerTrust {
        if let caFile { return try Connection.readCA(caFile) }
        guard let caFingerprint else { return .system }
        return .pinned(try await ServerTrust.fetch(fingerprint: caFingerprint, from: address, timeout: timeout))
    }

    private func readToken(_ console: Console) throws -> Secret {
        let text: String
        switch (token, tokenFile) {
        case (let token?, _) where token != "-":
            text = token
        case (_, let path?) where path != "-":
            do {
                text = try String(contentsOfFile: path, encoding: .utf8)
            } catch {
                throw CommandError(
                    .usage, "file_system", "the token file \(path) cannot be read",
                    hint: "`flowforged init --token-file` writes one; it belongs to whoever ran that")
            }
        default:
            if isatty(STDIN_FILENO) == 1 {
                console.note("API token (it shows while you type):")
                text = readLine() ?? ""
            } else {
                text = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
            }
        }
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        // Whatever cannot stand in a header cannot be a token.
        guard !trimmed.isEmpty, trimmed.utf8.count <= 4096, trimmed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandError(
                .usage, "usage", "there is no API token in what was given", hint: "give one line of text with --token-file")
        }
        return Secret(trimmed)
    }
}

struct Logout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Forget the current context and its token.",
        discussion: """
            The token itself stays valid; `flowforge principal revoke` ends it.

              flowforge logout
              flowforge logout --context staging
            """)
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(global, environment: environment)
        let file = ContextFile(environment: environment)
        guard let name = try global.context ?? file.read().current else {
            throw CommandError(.notFound, .notFound, "there is no context to log out of")
        }
        try ContextRemove.remove(name, file)
        if console.json { return try console.print(json: ["removed": name]) }
        try console.print("Logged out of context '\(name)'.")
    }
}

struct WhoAmI: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Show who you are to the control plane.",
        discussion: """
              flowforge whoami
              flowforge whoami --json
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let who = try await remote.client.whoAmI()
        try remote.show(who) { style, _ in
            var fields = Fields()
            fields.add("name", who.name)
            fields.add("role", who.role.rawValue)
            fields.add("id", who.id.description)
            fields.add("control plane", remote.client.address.description)
            fields.add("token", who.token.map { "\($0.id)" + ($0.name.isEmpty ? "" : " (\(Printable.line($0.name)))") })
            fields.add("environments", who.token?.environments?.joined(separator: ", "))
            fields.add("may", who.token?.allow?.map(\.rawValue).joined(separator: ", "))
            fields.add("token expires", who.expiresAt.map { Figures.relative($0, to: remote.now) })
            return fields.render(style)
        }
    }
}
