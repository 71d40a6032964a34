public import FlowForgeProtocol
import Foundation

/// An HTTP proxy that is asked to CONNECT.
public struct ProxyEndpoint: Sendable {
    public var host: String
    public var port: Int
    public var user: String?
    public var password: Secret?

    /// `http://[user[:password]@]host[:port]`, or without the scheme, as curl reads `HTTPS_PROXY`.
    /// `nil` where the text is no such thing; a TLS connection *to* the proxy is not supported.
    public init?(_ text: String) {
        let whole = text.contains("://") ? text : "http://\(text)"
        guard let parts = URLComponents(string: whole), parts.scheme?.lowercased() == "http", let host = parts.host,
            !host.isEmpty, parts.path.isEmpty || parts.path == "/"
        else { return nil }
        self.host = host.trimmingCharacters(in: ["[", "]"])
        port = parts.port ?? 80
        user = parts.user
        password = parts.password.map(Secret.init)
    }
}

/// Through which proxy, if any, a host is reached.
public struct ProxyRules: Sendable {
    public var proxy: ProxyEndpoint?
    let exceptions: [Exception]
    /// Loopback is reached directly unless the proxy was named in our own configuration.
    let proxiesLoopback: Bool

    enum Exception: Equatable {
        case everything
        /// The domain itself and all below it.
        case domain(String, port: Int?)
        case address(String, port: Int?)
        case network(prefix: [UInt8], bits: Int)
    }

    /// - Parameter noProxy: comma- or space-separated: `*`, domains (`.corp` and `corp` both mean the
    ///   domain and all below it), addresses, networks (`10.0.0.0/8`), each but the last with an optional `:port`.
    public init(proxy: ProxyEndpoint?, noProxy: String, proxiesLoopback: Bool) {
        self.proxy = proxy
        self.proxiesLoopback = proxiesLoopback
        exceptions = noProxy.split(whereSeparator: { $0 == "," || $0.isWhitespace }).compactMap { Self.exception(String($0)) }
    }

    public static let direct = ProxyRules(proxy: nil, noProxy: "", proxiesLoopback: false)

    /// The proxy for a connection; `nil` means a direct one.
    public func proxy(host: String, port: Int) -> ProxyEndpoint? {
        guard let proxy else { return nil }
        let host = host.lowercased().trimmingCharacters(in: ["[", "]", "."])
        if !proxiesLoopback, Self.isLoopback(host) { return nil }
        let address = Self.bytes(of: host)
        for exception in exceptions {
            switch exception {
            case .everything: return nil
            case .domain(let domain, let only):
                if only == nil || only == port, host == domain || host.hasSuffix("." + domain) { return nil }
            case .address(let text, let only):
                if only == nil || only == port, let address, address == Self.bytes(of: text) { return nil }
            case .network(let prefix, let bits):
                if let address, address.count == prefix.count, Self.shares(address, prefix, bits) { return nil }
            }
        }
        return proxy
    }

    private static func exception(_ text: String) -> Exception? {
        let text = text.lowercased()
        if text == "*" { return .everything }
        if let slash = text.firstIndex(of: "/") {
            guard let prefix = bytes(of: String(text[..<slash])), let bits = Int(text[text.index(after: slash)...]),
                (0...prefix.count * 8).contains(bits)
            else { return nil }
            return .network(prefix: prefix, bits: bits)
        }
        if bytes(of: text) != nil { return .address(text, port: nil) }
        let (name, port) = splitPort(text)
        if bytes(of: name) != nil { return .address(name, port: port) }
        // `*.corp` is not in curl's grammar, but people write it and mean one thing.
        let domain = name.drop { $0 == "*" || $0 == "." }.trimmingCharacters(in: ["."])
        return domain.isEmpty ? nil : .domain(domain, port: port)
    }

    private static func splitPort(_ text: String) -> (String, Int?) {
        if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
            let rest = text[text.index(after: close)...]
            return (String(text[text.index(after: text.startIndex)..<close]), rest.hasPrefix(":") ? Int(rest.dropFirst()) : nil)
        }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return (text, nil) }
        return (String(text[..<colon]), port)
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        guard let bytes = bytes(of: host) else { return false }
        return bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }

    private static func shares(_ left: [UInt8], _ right: [UInt8], _ bits: Int) -> Bool {
        for index in 0..<left.count {
            let significant = min(max(bits - index * 8, 0), 8)
            let mask = significant == 0 ? 0 : UInt8(truncatingIfNeeded: 0xFF << (8 - significant))
            if left[index] & mask != right[index] & mask { return false }
        }
        return true
    }

    /// The bytes of an IP address; `nil` where `text` is none.
    private static func bytes(of text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
        return nil
    }
}

extension ProxyRules {
    /// `HTTPS_PROXY` and `NO_PROXY`, or their lower-case forms, which win as they do for curl.
    ///
    /// - Throws: `ConfigurationProblem`-worthy text where `HTTPS_PROXY` cannot be read. The text of the
    ///   variable is left out of it: it may hold a password.
    public static func environment(_ variables: [String: String]) throws(ProxyRefusal) -> ProxyRules {
        let text = variables["https_proxy"] ?? variables["HTTPS_PROXY"] ?? ""
        guard !text.isEmpty else { return .direct }
        guard let proxy = ProxyEndpoint(text) else { throw ProxyRefusal(source: "HTTPS_PROXY") }
        return ProxyRules(
            proxy: proxy, noProxy: variables["no_proxy"] ?? variables["NO_PROXY"] ?? "", proxiesLoopback: false)
    }
}

/// A proxy setting that cannot be read.
public struct ProxyRefusal: Error, CustomStringConvertible {
    public let source: String
    public var description: String {
        "\(source): not an HTTP proxy's address; write http://[user:password@]host:port (TLS to the proxy is not supported)"
    }
}
