public import Foundation

/// What a short-lived token may do besides looking. New ones may appear.
public enum TokenAction: String, WireEnum {
    /// Make plans, look for drift.
    case plan
    /// Ask for changes of environments by plans, and cancel them.
    case promote
    /// Send bundles and what is signed about them.
    case push
    /// Say yes or no to plans, answer and override gates.
    case approve
    /// Release without a plan.
    case deploy
    /// Start, cancel and repeat runs and backfills; fire, pause and resume triggers and flows.
    case run
    /// Everything else that changes something.
    case manage
    case unknown
}

extension OperatorAPI {
    /// `POST /tokens`: a token that acts for the caller for a while.
    public struct CreateToken: Codable, Sendable {
        /// What for, e.g. the CI job; absent: none.
        public var name: String?
        /// At most the caller's, which it is if absent.
        public var role: Role?
        /// 900 if absent, or what is left of the caller's own if that is less.
        public var ttlSeconds: Int?
        /// Confines it to these; absent: to none.
        public var environments: [String]?
        /// Confines it to these; absent: to none. Looking is always allowed.
        public var allow: [TokenAction]?
        public init(
            name: String? = nil, role: Role? = nil, ttlSeconds: Int? = nil, environments: [String]? = nil,
            allow: [TokenAction]? = nil
        ) {
            self.name = name
            self.role = role
            self.ttlSeconds = ttlSeconds
            self.environments = environments
            self.allow = allow
        }
    }

    public struct TokenView: Codable, Sendable {
        public var id: ID<ShortToken>
        /// Whom it acts for.
        public var principal: String
        public var name: String
        public var role: Role
        public var environments: [String]?
        public var allow: [TokenAction]?
        public var createdAt: Date
        public var expiresAt: Date
        public var revoked: Bool
        public init(
            id: ID<ShortToken>, principal: String, name: String, role: Role, environments: [String]?, allow: [TokenAction]?,
            createdAt: Date, expiresAt: Date, revoked: Bool
        ) {
            self.id = id
            self.principal = principal
            self.name = name
            self.role = role
            self.environments = environments
            self.allow = allow
            self.createdAt = createdAt
            self.expiresAt = expiresAt
            self.revoked = revoked
        }
    }

    /// The one answer that carries the token; the control plane keeps only its hash.
    public struct TokenGrant: Codable, Sendable {
        public var view: TokenView
        public var token: Secret
        public init(view: TokenView, token: Secret) {
            self.view = view
            self.token = token
        }
    }
}
