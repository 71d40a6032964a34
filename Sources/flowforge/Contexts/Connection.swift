import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// What a command connects with: the chosen context, with what the environment puts in its place.
struct Connection: Sendable {
    var address: ServerAddress
    var trust: ServerTrust
    var token: Secret
    /// `nil` where everything came from the environment.
    var contextName: String?

    /// `--context` before `FLOWFORGE_CONTEXT` before the current one; then `FLOWFORGE_URL`,
    /// `FLOWFORGE_TOKEN` and `FLOWFORGE_CA_FILE`, each in the place of its part of the context.
    static func resolve(
        context wanted: String?, environment: [String: String], file: ContextFile
    ) throws -> Connection {
        let url = environment["FLOWFORGE_URL"].nonEmpty
        let token = environment["FLOWFORGE_TOKEN"].nonEmpty
        let roots = try environment["FLOWFORGE_CA_FILE"].nonEmpty.map(readCA)
        var name = wanted ?? environment["FLOWFORGE_CONTEXT"].nonEmpty
        var context: Context?
        if name != nil || url == nil || token == nil {
            let book = try file.read()
            name = name ?? book.current
            context = name.flatMap { book.contexts[$0] }
            if let name, context == nil { throw unknown(name, in: book) }
        }
        guard let address = url ?? context?.url else {
            throw CommandError(
                .refused, "not_logged_in", "you are not logged in to a control plane",
                hint: "flowforge login --url https://HOST:PORT --token-file FILE --ca-file ca.pem")
        }
        // A token is for the server that it was given for: another address needs its own.
        let samePlace = url == nil || url == context?.url
        guard let secret = token.map(Secret.init) ?? (samePlace ? context?.token : nil) else {
            throw CommandError(
                .refused, "not_logged_in", "FLOWFORGE_URL is set, and there is no token to go with it",
                hint: "set FLOWFORGE_TOKEN too, or log in to that control plane")
        }
        return Connection(
            address: try ServerAddress(address), trust: roots ?? (samePlace ? context?.trust : nil) ?? .system, token: secret,
            contextName: context == nil ? nil : name)
    }

    static func unknown(_ name: String, in book: ContextBook) -> CommandError {
        let known = book.contexts.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
        return CommandError(
            .notFound, .notFound, "there is no context '\(name)'",
            hint: known.isEmpty ? "log in first: flowforge login --help" : "known are \(known)")
    }

    static func readCA(_ path: String) throws -> ServerTrust {
        do {
            return .pinned(try String(contentsOfFile: path, encoding: .utf8))
        } catch {
            throw CommandError(
                .usage, "invalid_trust", "the CA file \(path) cannot be read",
                hint: "give the path of the control plane's ca.pem")
        }
    }
}

extension Optional<String> {
    /// An empty environment variable counts as one that is not set.
    var nonEmpty: String? { self?.isEmpty == false ? self : nil }
}
