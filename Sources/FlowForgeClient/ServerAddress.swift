import Foundation

/// `https://host[:port][/prefix]` of an operator API. Plain HTTP is refused: the token would travel
/// in the clear.
public struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: Int
    /// Empty, or a path with a leading and no trailing slash, where a proxy serves the API under one.
    let prefix: String

    public init(_ text: String) throws(ClientError) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), let host = parts.host,
            !host.isEmpty
        else {
            throw ClientError(
                .invalidAddress, "'\(text.prefix(200))' is no address of a control plane",
                hint: "give it as https://HOST:PORT")
        }
        guard scheme == "https" else {
            throw ClientError(
                .invalidAddress, "'\(text.prefix(200))' does not begin with https://",
                hint: "the operator API is served over TLS only; give https://HOST:PORT")
        }
        guard parts.query == nil, parts.fragment == nil, parts.user == nil, (1...65535).contains(parts.port ?? 443) else {
            throw ClientError(
                .invalidAddress, "'\(text.prefix(200))' has more in it than a host, a port and a path",
                hint: "give it as https://HOST:PORT")
        }
        // URLComponents keeps the brackets of an IPv6 address; sockets want it without.
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? 443
        var path = Substring(parts.percentEncodedPath)
        while path.hasSuffix("/") { path = path.dropLast() }
        prefix = String(path)
    }

    public var description: String { "https://\(host.contains(":") ? "[\(host)]" : host):\(port)\(prefix)" }
}
