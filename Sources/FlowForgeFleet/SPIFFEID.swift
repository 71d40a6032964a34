public import FlowForgeProtocol

/// An agent's name in its certificate: `spiffe://<trust domain>/pool/<pool>/agent/<id>`
/// (SPIFFE ID standard, section 2).
public struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    public let trustDomain: String
    public let pool: String
    public let agent: ID<Agent>

    public init(trustDomain: String, pool: String, agent: ID<Agent>) {
        self.trustDomain = trustDomain
        self.pool = pool
        self.agent = agent
    }

    /// `nil` unless `text` is exactly what ``description`` prints.
    public init?(_ text: String) {
        guard text.hasPrefix("spiffe://") else { return nil }
        let parts = text.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[1] == "pool", parts[3] == "agent", Self.isTrustDomain(parts[0]),
            isPlainName(parts[2], dashes: true), let agent = ID<Agent>(String(parts[4]))
        else { return nil }
        self.init(trustDomain: String(parts[0]), pool: String(parts[2]), agent: agent)
    }

    public var description: String { "spiffe://\(trustDomain)/pool/\(pool)/agent/\(agent)" }

    /// Lower-case letters, digits, `.`, `-` and `_`, at most 255 (SPIFFE ID standard, section 2.1).
    public static func isTrustDomain(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
