public import Foundation

/// How the control plane is reached.
public struct LinkSettings: Sendable {
    /// `https://host[:port]`, nothing after it.
    public var url: URL
    public var proxies: ProxyRules
    /// PEM of further roots, for a control plane whose server certificate another authority issued.
    public var extraRoots: URL?
    public var connectTimeout: Duration
    /// Added to a poll's own hold: 25 s + 15 s = 40 s.
    public var answerTimeout: Duration
    /// For a whole blob.
    public var blobTimeout: Duration

    public init(
        url: URL, proxies: ProxyRules = .direct, extraRoots: URL? = nil, connectTimeout: Duration = .seconds(10),
        answerTimeout: Duration = .seconds(15), blobTimeout: Duration = .seconds(600)
    ) {
        self.url = url
        self.proxies = proxies
        self.extraRoots = extraRoots
        self.connectTimeout = connectTimeout
        self.answerTimeout = answerTimeout
        self.blobTimeout = blobTimeout
    }

    public var host: String { (url.host() ?? "").trimmingCharacters(in: ["[", "]"]) }
    public var port: Int { url.port ?? 443 }
    var proxy: ProxyEndpoint? { proxies.proxy(host: host, port: port) }

    /// The URL that a person wrote, or why it cannot be one of a control plane.
    public static func url(_ text: String) throws(InvalidURL) -> URL {
        guard let parts = URLComponents(string: text), parts.scheme?.lowercased() == "https",
            parts.host?.isEmpty == false, parts.path.isEmpty || parts.path == "/", parts.query == nil,
            parts.user == nil, let url = parts.url
        else { throw InvalidURL(text: text) }
        return url
    }

    public struct InvalidURL: Error, CustomStringConvertible {
        let text: String
        public var description: String {
            "'\(text)' is not the address of a control plane; write https://host:port, the agent API's listener"
        }
    }
}
