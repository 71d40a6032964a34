internal import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Tokens that act for a principal for a while, e.g. for one CI job. What one does is done by the principal, in
/// the audit trail with the token's id beside, and for gates: nobody approves his own plan with one.
///
/// A token ends when its time is over, when it is revoked, or with the principal's own. It makes no others.
public struct ShortTokens: Sendable {
    /// How long one lives unless it is said.
    public static let usualTTL = 900
    public static let longestTTL = 3600
    /// Of one principal at a time.
    public static let most = 200
    /// How long one that has ended is listed.
    static let keptSeconds = 86_400.0

    private let store: Store

    public init(store: Store) { self.store = store }

    /// Throws ``APIError`` `forbidden` for a higher role and to short-lived tokens, `invalid_request` for a longer
    /// life than the caller's own, `not_found` for an environment that is not there, `conflict` beyond ``most``.
    public func create(
        _ request: OperatorAPI.CreateToken, by caller: Principals.SignedIn
    ) async throws -> OperatorAPI.TokenGrant {
        guard caller.actor.via == nil else {
            throw APIError(.forbidden, "a short-lived token makes no others", hint: "use the principal's own token")
        }
        let role = request.role ?? caller.role
        guard role != .unknown else {
            throw APIError(.invalidRequest, "role: not known", hint: "choose viewer, operator or owner")
        }
        guard caller.role.includes(role) else {
            throw APIError(
                .forbidden,
                "role: '\(role.rawValue)' is more than '\(caller.role.rawValue)', which '\(caller.principal.name)' is",
                hint: "ask for at most your own")
        }
        let confinement = try Self.confinement(request)
        let name = request.name ?? ""
        guard name.utf8.count <= 64, name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw APIError(.invalidRequest, "name: more than 64 bytes, or not one line", hint: "e.g. ci-4711")
        }
        let token = BearerToken.make(.short)
        let view = try await store.write { session in
            let expiresAt = try Self.end(request.ttlSeconds, of: caller, session.now)
            for environment in (confinement.environments ?? []).sorted() where try session.environments.find(environment) == nil {
                throw APIError(
                    .notFound, "environments: there is no '\(environment)'", hint: "`flowforge env list` shows them")
            }
            try session.shortTokens.remove(endedBefore: session.now - Self.keptSeconds, limit: 1000)
            guard try session.shortTokens.active(of: caller.principal.id) < Self.most else {
                throw APIError(
                    .conflict, "'\(caller.principal.name)' has \(Self.most) short-lived tokens already",
                    hint: "let them end sooner with a smaller --ttl, or revoke some: `flowforge token list`")
            }
            let row = ShortTokenRow(
                id: .make(at: session.now), principal: caller.principal.id, name: name, role: role, confinement: confinement,
                createdAt: session.now, expiresAt: expiresAt)
            try session.shortTokens.insert(row, tokenHash: token.hash)
            let view = row.view(of: caller.principal.name)
            var detail: [String: JSONValue] = [
                "role": .string(role.rawValue), "name": .string(name), "expires_at": .string(WireCoding.text(expiresAt)),
            ]
            detail["environments"] = view.environments.map { .array($0.map { .string($0) }) }
            detail["allow"] = view.allow.map { .array($0.map { .string($0.rawValue) }) }
            try session.audit.append(actor: caller.actor, action: "token.create", subject: row.id.description, detail: detail)
            return view
        }
        return OperatorAPI.TokenGrant(view: view, token: token.secret)
    }

    private static func confinement(_ request: OperatorAPI.CreateToken) throws(APIError) -> TokenConfinement {
        if let environments = request.environments {
            guard (1...50).contains(environments.count), environments.allSatisfy({ isPlainName($0) }) else {
                throw APIError(
                    .invalidRequest, "environments: not 1 to 50 names of environments", hint: "leave it out to confine it to none"
                )
            }
        }
        if let allow = request.allow {
            guard !allow.isEmpty, allow.count <= TokenAction.allCases.count, !allow.contains(.unknown) else {
                let known = TokenAction.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", ")
                throw APIError(.invalidRequest, "allow: nothing, or something that is not known", hint: "choose among \(known)")
            }
        }
        return TokenConfinement(environments: request.environments.map { Set($0) }, actions: request.allow.map { Set($0) })
    }

    /// Not after the caller's own, and not beyond ``longestTTL``.
    private static func end(_ wanted: Int?, of caller: Principals.SignedIn, _ now: Date) throws(APIError) -> Date {
        if let wanted, !(1...longestTTL).contains(wanted) {
            throw APIError(
                .invalidRequest, "ttlSeconds: a short-lived token cannot live \(wanted) s", hint: "give it 1 s to \(longestTTL) s"
            )
        }
        let end = now + Double(wanted ?? usualTTL)
        guard let own = caller.principal.expiresAt, own < end else { return end }
        guard wanted == nil else {
            throw APIError(
                .invalidRequest, "ttlSeconds: longer than your own token lives, until \(WireCoding.text(own))",
                hint: "ask for less, or leave it out")
        }
        return own
    }

    /// The caller's, or with `all` everybody's in scope, which only owners may see. A short-lived token sees itself.
    public func list(
        all: Bool, after: String?, limit: Int, by caller: Principals.SignedIn
    ) async throws -> OperatorAPI.Page<OperatorAPI.TokenView> {
        if let own = caller.principal.token { return OperatorAPI.Page(items: [own], next: nil) }
        guard !all || caller.role.includes(.owner) else {
            throw APIError(.forbidden, "only owners see the tokens of others", hint: "leave `all` out")
        }
        let cursor = try Cursor.id(ShortToken.self, after)
        let rows = try await store.read {
            try $0.shortTokens.list(of: all ? nil : caller.principal.id, after: cursor, limit: limit + 1)
        }
        return Cursor.page(rows, limit: limit, id: \.row.id) { $0.row.view(of: $0.principal) }
    }

    /// From the next request on; repeating changes nothing. One's own, or an owner's to revoke anybody's in scope; a
    /// short-lived token may only revoke itself. To others it is as if there were none.
    public func revoke(_ id: ID<ShortToken>, by caller: Principals.SignedIn) async throws {
        try await store.write { session in
            guard let row = try session.shortTokens.find(id), Self.mayRevoke(row, caller),
                try session.principals.find(row.principal) != nil
            else {
                throw APIError(
                    .notFound, "there is no token \(id) of yours", hint: "`flowforge token list` shows those that exist")
            }
            if row.revokedAt != nil { return }
            try session.shortTokens.revoke(id)
            try session.audit.append(actor: caller.actor, action: "token.revoke", subject: id.description)
        }
    }

    private static func mayRevoke(_ row: ShortTokenRow, _ caller: Principals.SignedIn) -> Bool {
        if let via = caller.actor.via { return row.id == via }
        return row.principal == caller.principal.id || caller.role.includes(.owner)
    }
}
