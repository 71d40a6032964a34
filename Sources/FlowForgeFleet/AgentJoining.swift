public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging

/// Lets agents in: a join token and a signing request against a certificate, and later a new
/// certificate against the old one.
public struct AgentJoining: Sendable {
    private let store: Store
    private let authority: CertificateAuthority
    private let settings: FleetSettings
    private let refusals: RefusalTrail
    private let logger: Logger

    public init(
        store: Store, authority: CertificateAuthority, settings: FleetSettings, refusals: RefusalTrail, logger: Logger
    ) {
        self.store = store
        self.authority = authority
        self.settings = settings
        self.refusals = refusals
        self.logger = logger
    }

    /// Uses the token once and grants a certificate, both in one transaction. Each refusal has a code
    /// of its own, is logged and audited, and uses nothing up.
    public func join(_ request: AgentAPI.JoinRequest) async throws -> AgentAPI.CertificateGrant {
        do {
            return try await admit(request)
        } catch let error as APIError {
            let subject = request.agent.map(\.description) ?? "pool \(request.pool.prefix(63))"
            await refusals.record(actor: .system("agent-joining"), action: "agent.join", subject: subject, error: error)
            throw error
        }
    }

    private func admit(_ request: AgentAPI.JoinRequest) async throws -> AgentAPI.CertificateGrant {
        try Self.check(protocolVersion: request.protocolVersion)
        let name = String(request.name.prefix(253))
        guard let token = BearerToken(request.token.reveal(), kind: .join) else { throw Self.unknownToken }
        let now = store.now()
        let agent = request.agent ?? ID<Agent>.make(at: now)
        // Nothing is signed for a stranger.
        _ = try await store.read { try Self.usableToken(token, pool: request.pool, in: $0) }
        // Signed before the transaction, so that the one writer does not wait for it. Nothing of it
        // leaves unless the transaction commits.
        let issued = try authority.issueAgent(
            csr: request.csr, agent: agent, pool: request.pool, lifetime: settings.certificateLifetime, now: now)
        try await store.write { session in
            let row = try Self.usableToken(token, pool: request.pool, in: session)
            try session.joinTokens.use(row.id)
            if request.agent != nil {
                try Self.rejoin(agent, name: name, request: request, in: session)
            } else {
                try session.agents.insert(
                    agent, name: name, pool: row.pool, agentVersion: String(request.agentVersion.prefix(253)))
            }
            try session.certificates.insert(
                serial: issued.serial, agent: agent, notBefore: issued.notBefore, notAfter: issued.notAfter)
            try session.audit.append(
                actor: .agent(agent), action: "agent.join", subject: agent.description,
                detail: [
                    "token": .string(row.id.description), "pool": .string(row.pool), "name": .string(name),
                    "serial": .string(issued.serial), "again": .bool(request.agent != nil),
                ])
        }
        logger.info("agent joined", metadata: ["agent": "\(agent)", "pool": "\(request.pool)", "name": "\(name)"])
        return grant(issued, agent: agent, pool: request.pool, now: now)
    }

    /// A new certificate for the same agent. The old one stays valid until it expires, because the
    /// answer may be lost on its way.
    public func renew(_ request: AgentAPI.RenewRequest, for identity: AgentIdentity) async throws -> AgentAPI.CertificateGrant {
        let now = store.now()
        do {
            let issued = try authority.issueAgent(
                csr: request.csr, agent: identity.id, pool: identity.pool, lifetime: settings.certificateLifetime, now: now)
            try await store.write { session in
                guard let standing = try session.agents.standing(of: identity.id), standing != .revoked else {
                    throw AgentRegistry.revokedError(identity.id)
                }
                try session.certificates.insert(
                    serial: issued.serial, agent: identity.id, notBefore: issued.notBefore, notAfter: issued.notAfter)
                try session.audit.append(
                    actor: identity.actor, action: "agent.renew", subject: identity.id.description,
                    detail: ["serial": .string(issued.serial), "replaces": .string(identity.certificateSerial)])
            }
            logger.info("certificate renewed", metadata: ["agent": "\(identity.id)"])
            return grant(issued, agent: identity.id, pool: identity.pool, now: now)
        } catch let error as APIError {
            await refusals.record(
                actor: identity.actor, action: "agent.renew", subject: identity.id.description, error: error)
            throw error
        }
    }

    /// Agents renew at half of a certificate's life ± 10 %. One that has not when two thirds are over
    /// reads its clock wrongly, and is asked to.
    public func isRenewalOverdue(of identity: AgentIdentity) -> Bool {
        identity.certificateNotAfter.timeIntervalSince(store.now()) < Double(settings.certificateLifetime.components.seconds) / 3
    }

    /// Throws ``ErrorCode/protocolVersion`` and says which side to upgrade.
    public static func check(protocolVersion version: Int) throws(APIError) {
        guard !ProtocolVersion.isServed(version) else { return }
        let served = "\(ProtocolVersion.oldestServed) to \(ProtocolVersion.current)"
        throw APIError(
            .protocolVersion, "the agent speaks protocol version \(version), this control plane serves \(served)",
            hint: version > ProtocolVersion.current
                ? "upgrade the control plane (it is \(FlowForgeVersion.current)) before its agents"
                : "upgrade the agent to \(FlowForgeVersion.current)",
            metadata: ["served": served])
    }

    private static var unknownToken: APIError {
        APIError(
            .tokenUnknown, "the join token is not known here",
            hint: "make one with `flowforge agent token create --pool POOL` on this control plane")
    }

    private static func usableToken(_ token: BearerToken, pool: String, in session: Session) throws -> JoinTokenRow {
        guard let row = try session.joinTokens.find(tokenHash: token.hash), row.revokedAt == nil else { throw unknownToken }
        let hint = "make a new one with `flowforge agent token create --pool \(row.pool)`"
        guard session.now < row.expiresAt else {
            throw APIError(
                .tokenExpired, "the join token expired at \(row.expiresAt.formatted(WireCoding.timeStyle))", hint: hint)
        }
        guard row.used < row.uses else {
            throw APIError(.tokenUsed, "the join token was used \(row.used) of \(row.uses) times", hint: hint)
        }
        guard row.pool == pool else {
            throw APIError(
                .tokenPool, "the join token is not for pool '\(pool.prefix(63))'",
                hint: "join with the pool that the token was made for, or make one for this pool")
        }
        return row
    }

    /// Only an agent of the token's pool that was not revoked gets its id back. Whatever it held
    /// before is revoked: from now on the new key is the agent.
    private static func rejoin(
        _ agent: ID<Agent>, name: String, request: AgentAPI.JoinRequest, in session: Session
    ) throws {
        guard let known = try session.agents.find(agent) else {
            throw APIError(
                .certificateUnknown, "agent \(agent) never joined this control plane", hint: "join without an id of its own")
        }
        guard known.pool == request.pool else {
            throw APIError(
                .tokenPool, "agent \(agent) belongs to pool '\(known.pool)', not to the token's",
                hint: "use a token of pool '\(known.pool)', or join as a new agent")
        }
        guard known.standing != .revoked else { throw AgentRegistry.revokedError(agent) }
        try session.agents.rejoin(agent, name: name, agentVersion: String(request.agentVersion.prefix(253)))
        _ = try session.certificates.revokeAll(of: agent)
    }

    private func grant(
        _ issued: CertificateAuthority.Issued, agent: ID<Agent>, pool: String, now: Date
    ) -> AgentAPI.CertificateGrant {
        AgentAPI.CertificateGrant(
            agent: agent, pool: pool, certificate: issued.certificatePEM, trustBundle: authority.certificatePEM,
            notBefore: issued.notBefore, notAfter: issued.notAfter, serverTime: now)
    }
}
