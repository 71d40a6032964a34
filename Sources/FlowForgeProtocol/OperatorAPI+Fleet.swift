public import Foundation

extension OperatorAPI {
    /// `POST /join-tokens`.
    public struct CreateJoinToken: Codable, Sendable {
        public var pool: String
        public var ttlSeconds: Int
        public var uses: Int
        public init(pool: String, ttlSeconds: Int = 3600, uses: Int = 1) {
            self.pool = pool
            self.ttlSeconds = ttlSeconds
            self.uses = uses
        }
    }

    /// The one answer that carries the token; the control plane keeps only its hash.
    public struct JoinTokenGrant: Codable, Sendable {
        public var id: ID<JoinToken>
        public var token: Secret
        public var pool: String
        public var uses: Int
        public var expiresAt: Date
        /// `sha256:<64 hex>` of the CA certificate (DER), for `flowforge-agent join --ca-fingerprint`.
        public var caFingerprint: String
        /// Where agents reach the control plane.
        public var agentURL: String
        public init(
            id: ID<JoinToken>, token: Secret, pool: String, uses: Int, expiresAt: Date, caFingerprint: String,
            agentURL: String
        ) {
            self.id = id
            self.token = token
            self.pool = pool
            self.uses = uses
            self.expiresAt = expiresAt
            self.caFingerprint = caFingerprint
            self.agentURL = agentURL
        }
    }

    public struct JoinTokenView: Codable, Sendable {
        public var id: ID<JoinToken>
        public var pool: String
        public var uses: Int
        public var used: Int
        public var createdAt: Date
        public var expiresAt: Date
        public var revoked: Bool
        public init(
            id: ID<JoinToken>, pool: String, uses: Int, used: Int, createdAt: Date, expiresAt: Date, revoked: Bool
        ) {
            self.id = id
            self.pool = pool
            self.uses = uses
            self.used = used
            self.createdAt = createdAt
            self.expiresAt = expiresAt
            self.revoked = revoked
        }
    }

    public struct AgentView: Codable, Sendable {
        public var id: ID<Agent>
        public var name: String
        public var pool: String
        public var state: AgentState
        public var agentVersion: String
        public var engines: [AgentAPI.EngineOffer]
        public var labels: [String: String]
        public var slots: Int
        public var leases: Int
        public var joinedAt: Date
        public var lastPollAt: Date?
        public var certificateNotAfter: Date
        public var spiffeID: String
        /// Why it is in its state, where that needs a word, and what to do about it.
        public var reason: String?
        public var hint: String?
        public init(
            id: ID<Agent>, name: String, pool: String, state: AgentState, agentVersion: String,
            engines: [AgentAPI.EngineOffer], labels: [String: String], slots: Int, leases: Int, joinedAt: Date,
            lastPollAt: Date?, certificateNotAfter: Date, spiffeID: String,
            reason: String? = nil, hint: String? = nil
        ) {
            self.id = id
            self.name = name
            self.pool = pool
            self.state = state
            self.agentVersion = agentVersion
            self.engines = engines
            self.labels = labels
            self.slots = slots
            self.leases = leases
            self.joinedAt = joinedAt
            self.lastPollAt = lastPollAt
            self.certificateNotAfter = certificateNotAfter
            self.spiffeID = spiffeID
            self.reason = reason
            self.hint = hint
        }
    }
}
