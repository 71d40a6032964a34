public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// The tokens with which agents join: printed once, hashed at rest, bound to a pool, expiring,
/// counted.
public struct JoinTokens: Sendable {
    private let store: Store
    private let settings: FleetSettings
    private let caFingerprint: String

    public init(store: Store, settings: FleetSettings, caFingerprint: String) {
        self.store = store
        self.settings = settings
        self.caFingerprint = caFingerprint
    }

    public static let longestTTL = 30 * 86_400
    public static let mostUses = 10_000

    public func create(_ request: OperatorAPI.CreateJoinToken, by actor: Actor) async throws -> OperatorAPI.JoinTokenGrant {
        guard isPlainName(request.pool, dashes: true) else {
            throw APIError(
                .invalidRequest, "'\(request.pool.prefix(64))' is not a pool name",
                hint: "pools are lower-case letters, digits, '_' and '-', start with a letter and have at most 63 characters")
        }
        guard (1...Self.longestTTL).contains(request.ttlSeconds) else {
            throw APIError(
                .invalidRequest, "a join token cannot live \(request.ttlSeconds) seconds", hint: "give it 1 s to 30 days")
        }
        guard (1...Self.mostUses).contains(request.uses) else {
            throw APIError(
                .invalidRequest, "a join token cannot have \(request.uses) uses", hint: "give it 1 to \(Self.mostUses)")
        }
        let token = BearerToken.make(.join)
        let (id, expiresAt) = try await store.write { session in
            guard session.scope.isWholeOrganisation else { throw APIError.needsOrganisation("join tokens") }
            // The whole control plane's owners make tokens for anybody's pools.
            if try !session.scope.isPlatform || session.organisations.owner(ofPool: request.pool) == nil {
                try session.organisations.claim(
                    pool: request.pool, for: session.scope.organisation ?? Scope.defaultName)
            }
            let id = ID<JoinToken>.make(at: session.now)
            let expiresAt = session.now.addingTimeInterval(Double(request.ttlSeconds))
            try session.joinTokens.insert(
                id, tokenHash: token.hash, pool: request.pool, uses: request.uses, expiresAt: expiresAt, by: actor)
            try session.audit.append(
                actor: actor, action: "join_token.create", subject: id.description,
                detail: [
                    "pool": .string(request.pool), "uses": .integer(Int64(request.uses)),
                    "ttlSeconds": .integer(Int64(request.ttlSeconds)),
                ])
            return (id, expiresAt)
        }
        return OperatorAPI.JoinTokenGrant(
            id: id, token: token.secret, pool: request.pool, uses: request.uses, expiresAt: expiresAt,
            caFingerprint: caFingerprint, agentURL: settings.agentURL)
    }

    /// Sorted by age, oldest first.
    public func list(after: String? = nil, limit: Int = 100) async throws -> OperatorAPI.Page<OperatorAPI.JoinTokenView> {
        let cursor = try Cursor.id(JoinToken.self, after)
        let rows = try await store.read { try $0.joinTokens.list(after: cursor, limit: limit + 1) }
        return Cursor.page(rows, limit: limit, id: \.id) { $0.view }
    }

    /// The token lets nobody in any more; agents that joined with it stay. Repeating changes nothing.
    public func revoke(_ token: ID<JoinToken>, by actor: Actor) async throws {
        try await store.write { session in
            guard let row = try session.joinTokens.find(token) else {
                throw APIError(
                    .notFound, "there is no join token \(token)", hint: "`flowforge agent token list` shows those that exist")
            }
            if row.revokedAt != nil { return }
            try session.joinTokens.revoke(token)
            try session.audit.append(actor: actor, action: "join_token.revoke", subject: token.description)
        }
    }
}
