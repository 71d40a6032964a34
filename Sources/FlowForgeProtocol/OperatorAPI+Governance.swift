public import Foundation

extension OperatorAPI {
    /// `GET /whoami`.
    public struct PrincipalView: Codable, Sendable {
        public var id: ID<Principal>
        public var name: String
        public var role: Role
        public var createdAt: Date
        public var expiresAt: Date?
        public var revoked: Bool
        /// Absent: the whole control plane.
        public var organisation: String?
        /// Absent: every project of the organisation.
        public var projects: [String]?
        /// The short-lived token that asks; of `whoami` only. Role and end are the token's then.
        public var token: TokenView?
        public init(
            id: ID<Principal>, name: String, role: Role, createdAt: Date, expiresAt: Date?, revoked: Bool,
            organisation: String? = nil, projects: [String]? = nil,
            token: TokenView? = nil
        ) {
            self.organisation = organisation
            self.projects = projects
            self.id = id
            self.name = name
            self.role = role
            self.createdAt = createdAt
            self.expiresAt = expiresAt
            self.revoked = revoked
            self.token = token
        }
    }

    /// `POST /principals`: a principal with one API token.
    public struct CreatePrincipal: Codable, Sendable {
        public var name: String
        public var role: Role
        public var ttlSeconds: Int?
        /// Absent: that of whoever asks.
        public var organisation: String?
        /// Absent: those of whoever asks.
        public var projects: [String]?
        public init(
            name: String, role: Role, ttlSeconds: Int? = nil, organisation: String? = nil, projects: [String]? = nil
        ) {
            self.organisation = organisation
            self.projects = projects
            self.name = name
            self.role = role
            self.ttlSeconds = ttlSeconds
        }
    }

    /// The one answer that carries the token; the control plane keeps only its hash.
    public struct PrincipalGrant: Codable, Sendable {
        public var principal: PrincipalView
        public var token: Secret
        public init(principal: PrincipalView, token: Secret) {
            self.principal = principal
            self.token = token
        }
    }

    /// `GET /audit?after=&subject=&action=&limit=`, oldest first.
    public struct AuditEntryView: Codable, Sendable {
        public var number: Int64
        public var at: Date
        /// `principal:<name>`, `agent:<id>` or `system:<part>`.
        public var actor: String
        /// `<noun>.<verb>`, e.g. `agent.join`.
        public var action: String
        public var subject: String
        /// `allowed`, or `refused` with the reason in `detail.code`.
        public var outcome: String
        public var detail: [String: JSONValue]
        public init(
            number: Int64, at: Date, actor: String, action: String, subject: String, outcome: String,
            detail: [String: JSONValue]
        ) {
            self.number = number
            self.at = at
            self.actor = actor
            self.action = action
            self.subject = subject
            self.outcome = outcome
            self.detail = detail
        }
    }
}
