public import Foundation

/// Messages of the agent API, `https://<control plane>/agent/v1/…`. See docs/protocol.md.
public enum AgentAPI {
    public static let basePath = "/agent/v1"
    /// The longest that a poll is held; proxies cut at 30 s.
    public static let longestPoll: Duration = .seconds(25)
    /// The longest that an agent waits between two tries while it holds leases.
    public static let longestBackoffUnderLease: Duration = .seconds(8)
    /// The largest body of a join, renew, poll or report, in bytes.
    public static let largestBody = 4 << 20
}

extension AgentAPI {
    /// `POST /agent/v1/join`, the one call that needs no client certificate. Repeating it with a new
    /// key uses up one more use of the token.
    public struct JoinRequest: Sendable, Codable {
        public var protocolVersion: Int
        public var token: Secret
        /// The pool that the agent means to join; refused unless it is the token's.
        public var pool: String
        /// PEM; the key stays on the agent. Only its public key is used.
        public var csr: String
        /// A name for people, e.g. the host name.
        public var name: String
        public var agentVersion: String
        /// Set when an agent whose certificate expired joins again under its own id.
        public var agent: ID<Agent>?

        public init(
            protocolVersion: Int = ProtocolVersion.current, token: Secret, pool: String, csr: String, name: String,
            agentVersion: String = FlowForgeVersion.current, agent: ID<Agent>? = nil
        ) {
            self.protocolVersion = protocolVersion
            self.token = token
            self.pool = pool
            self.csr = csr
            self.name = name
            self.agentVersion = agentVersion
            self.agent = agent
        }
    }

    /// The answer to join and to renew.
    public struct CertificateGrant: Sendable, Codable {
        public var agent: ID<Agent>
        public var pool: String
        /// PEM, leaf first.
        public var certificate: String
        /// PEM of the roots to pin.
        public var trustBundle: String
        public var notBefore: Date
        public var notAfter: Date
        public var serverTime: Date

        public init(
            agent: ID<Agent>, pool: String, certificate: String, trustBundle: String, notBefore: Date, notAfter: Date,
            serverTime: Date
        ) {
            self.agent = agent
            self.pool = pool
            self.certificate = certificate
            self.trustBundle = trustBundle
            self.notBefore = notBefore
            self.notAfter = notAfter
            self.serverTime = serverTime
        }
    }

    /// `POST /agent/v1/renew`, under the certificate that is being replaced.
    public struct RenewRequest: Sendable, Codable {
        public var csr: String
        public init(csr: String) { self.csr = csr }
    }
}
