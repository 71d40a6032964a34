import FlowForgeClient
import FlowForgeProtocol

/// One control plane and who we are to it.
struct Context: Codable, Sendable {
    var url: String
    var token: Secret
    /// PEM of the roots to pin; `nil`: the machine's own.
    var ca: String?

    var trust: ServerTrust { ca.map { .pinned($0) } ?? .system }
}

/// The contents of `contexts.json`.
struct ContextBook: Codable, Sendable {
    /// Of the file's form; a program that does not know it leaves the file alone.
    static let form = 1
    var version = form
    var current: String?
    var contexts: [String: Context] = [:]

    /// What `context show` and `context list` may print: everything but the token.
    struct Entry: Codable, Sendable {
        var name: String
        var url: String
        var current: Bool
        var caFingerprints: [String]
    }

    func entry(_ name: String) throws -> Entry? {
        guard let context = contexts[name] else { return nil }
        return Entry(
            name: name, url: context.url, current: name == current,
            caFingerprints: try context.ca.map { try ServerTrust.fingerprints(ofPEM: $0) } ?? [])
    }
}
