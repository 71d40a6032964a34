public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Who may use the operator API: each principal holds one token and one role, and may make short-lived
/// tokens of it (``ShortTokens``).
public struct Principals: Sendable {
    /// Who a token belongs to.
    public struct SignedIn: Sendable {
        public let actor: Actor
        public let role: Role
        public let principal: OperatorAPI.PrincipalView
        /// What they get to see.
        public let scope: Scope
        /// What a short-lived token may touch; absent: all that the role allows.
        public let confinement: TokenConfinement?
    }

    private let store: Store

    public init(store: Store) { self.store = store }

    /// Throws ``ErrorCode/unauthenticated``, with the same message for a token that never was and for
    /// one that was revoked.
    public func authenticate(_ token: Secret) async throws -> SignedIn {
        if let short = BearerToken(token.reveal(), kind: .short) { return try await authenticate(short: short) }
        guard let token = BearerToken(token.reveal(), kind: .api),
            let row = try await store.read({ try $0.principals.find(tokenHash: token.hash) }), row.revokedAt == nil
        else {
            throw Self.invalid
        }
        if let expiresAt = row.expiresAt, expiresAt <= store.now() {
            throw APIError(
                .unauthenticated, "the token expired at \(expiresAt.formatted(WireCoding.timeStyle))",
                hint: "ask an owner for a new one and run `flowforge login`")
        }
        return SignedIn(actor: .principal(row.name), role: row.role, principal: row.view, scope: row.scope, confinement: nil)
    }

    private static let invalid = APIError(
        .unauthenticated, "the token is not valid here", hint: "ask an owner for a token and run `flowforge login`")

    /// It is worth what its principal still is: revoked, expired and lowered with it.
    private func authenticate(short token: BearerToken) async throws -> SignedIn {
        let found = try await store.read { session in
            try session.shortTokens.find(tokenHash: token.hash).flatMap { row in
                try session.principals.find(row.principal).map { (row, $0) }
            }
        }
        guard let (row, principal) = found, row.revokedAt == nil, principal.revokedAt == nil else { throw Self.invalid }
        let expiresAt = min(row.expiresAt, principal.expiresAt ?? row.expiresAt)
        guard expiresAt > store.now() else {
            throw APIError(
                .unauthenticated, "the token expired at \(expiresAt.formatted(WireCoding.timeStyle))",
                hint: "make a new one with the principal's own token: `flowforge token create`")
        }
        var view = principal.view
        view.role = principal.role.includes(row.role) ? row.role : principal.role
        view.expiresAt = expiresAt
        view.token = row.view(of: principal.name)
        return SignedIn(
            actor: .principal(principal.name, via: row.id), role: view.role, principal: view, scope: principal.scope,
            confinement: row.confinement)
    }

    /// Of the organisation and the projects that are asked for, or else those of whoever asks; never of more. Throws
    /// ``ErrorCode/alreadyExists`` while a principal of that name is not revoked, in whatever organisation.
    public func create(_ request: OperatorAPI.CreatePrincipal, by actor: Actor) async throws -> OperatorAPI.PrincipalGrant {
        try Self.check(request)
        let token = BearerToken.make(.api)
        let view = try await store.write { session in
            if try session.principals.findActive(name: request.name) != nil {
                throw APIError(
                    .alreadyExists, "there is a principal '\(request.name)' already",
                    hint: "take another name, or revoke the other first")
            }
            let scope = try Self.scope(of: request, in: session)
            let projects = scope.projects?.sorted()
            let id = ID<Principal>.make(at: session.now)
            let expiresAt = request.ttlSeconds.map { session.now.addingTimeInterval(Double($0)) }
            try session.principals.insert(
                id, name: request.name, role: request.role, tokenHash: token.hash, expiresAt: expiresAt,
                organisation: scope.organisation, projects: projects, by: actor)
            var detail: [String: JSONValue] = ["name": .string(request.name), "role": .string(request.role.rawValue)]
            detail["organisation"] = scope.organisation.map { .string($0) }
            detail["projects"] = projects.map { .array($0.map { .string($0) }) }
            try session.audit.append(
                actor: actor, action: "principal.create", subject: id.description,
                detail: detail)
            return OperatorAPI.PrincipalView(
                id: id, name: request.name, role: request.role, createdAt: session.now, expiresAt: expiresAt, revoked: false,
                organisation: scope.organisation, projects: projects)
        }
        return OperatorAPI.PrincipalGrant(principal: view, token: token.secret)
    }

    /// Sorted by age, oldest first.
    public func list(after: String? = nil, limit: Int = 100) async throws -> OperatorAPI.Page<OperatorAPI.PrincipalView> {
        let cursor = try Cursor.id(Principal.self, after)
        let rows = try await store.read { try $0.principals.list(after: cursor, limit: limit + 1) }
        return Cursor.page(rows, limit: limit, id: \.id) { $0.view }
    }

    /// From the next request on, with its short-lived tokens. Repeating changes nothing; the last owner cannot be revoked.
    public func revoke(_ principal: ID<Principal>, by actor: Actor) async throws {
        try await store.write { session in
            guard let row = try session.principals.find(principal) else {
                throw APIError(
                    .notFound, "there is no principal \(principal)", hint: "`flowforge principal list` shows those that exist")
            }
            if row.revokedAt != nil { return }
            try session.principals.revoke(principal)
            try session.shortTokens.revokeAll(of: principal)
            if row.role == .owner, row.organisation == nil, try session.principals.activeOwners() == 0 {
                throw APIError(
                    .conflict,
                    "'\(row.name)' is the last owner of the whole control plane; nobody could manage the control plane",
                    hint: "make another owner first: `flowforge principal create --role owner`")
            }
            try session.audit.append(
                actor: actor, action: "principal.revoke", subject: principal.description, detail: ["name": .string(row.name)])
        }
    }

    private static func scope(of request: OperatorAPI.CreatePrincipal, in session: Session) throws -> Scope {
        let own = session.scope
        guard let organisation = request.organisation ?? own.organisation else {
            guard request.projects == nil else {
                throw APIError(
                    .invalidRequest, "projects: they need an organisation", hint: "say whose they are with --org NAME")
            }
            return .platform
        }
        guard try session.organisations.exists(organisation) else { throw APIError.noOrganisation(organisation) }
        if request.projects?.isEmpty == true {
            throw APIError(.invalidRequest, "projects: none is given", hint: "leave it out for all projects")
        }
        let projects = request.projects.map { Set($0) } ?? own.projects
        for project in projects ?? [] where try !session.organisations.hasProject(project, of: organisation) {
            throw APIError.noProject(project)
        }
        return Scope(organisation: organisation, projects: projects)
    }

    private static func check(_ request: OperatorAPI.CreatePrincipal) throws(APIError) {
        let isName =
            (1...64).contains(request.name.utf8.count)
            && request.name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                    UInt8(ascii: "@"), UInt8(ascii: "+"):
                    true
                default: false
                }
            }
        guard isName else {
            throw APIError(
                .invalidRequest, "'\(request.name.prefix(64))' is not a name for a principal",
                hint: "use 1 to 64 letters, digits and . _ - @ +")
        }
        guard request.role != .unknown else {
            throw APIError(.invalidRequest, "the role is not known", hint: "choose viewer, operator or owner")
        }
        if let ttl = request.ttlSeconds, !(1...3650 * 86_400).contains(ttl) {
            throw APIError(.invalidRequest, "a token cannot live \(ttl) seconds", hint: "give it 1 s to ten years, or no end")
        }
    }
}
