public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Foundation

/// The agents that joined: who they are, whether they may speak, and what people decided about them.
public struct AgentRegistry: Sendable {
    private let store: Store
    private let trustDomain: String
    private let settings: FleetSettings
    private let refusals: RefusalTrail
    private let standingChanged: @Sendable (ID<Agent>) -> Void

    /// `standingChanged` is called after each committed change, so that a held poll of the agent hears
    /// of it at once.
    public init(
        store: Store, trustDomain: String, settings: FleetSettings, refusals: RefusalTrail,
        standingChanged: @escaping @Sendable (ID<Agent>) -> Void = { _ in }
    ) {
        self.store = store
        self.trustDomain = trustDomain
        self.settings = settings
        self.refusals = refusals
        self.standingChanged = standingChanged
    }

    /// Whether the holder of a certificate may speak, now. Asked on every request, because a
    /// connection outlives expiry and revocation. Refusals are logged and audited.
    public func authorize(
        serial: String, notAfter: Date, agent: ID<Agent>, pool: String
    ) async throws -> AgentIdentity {
        do {
            let now = store.now()
            guard now < notAfter else {
                throw APIError(
                    .certificateExpired, "the certificate expired at \(notAfter.formatted(WireCoding.timeStyle))",
                    hint: "join again with a new token: `flowforge-agent join`; and compare the clocks")
            }
            var row = try await store.certificate(serial: serial)
            if row == nil { row = try await adopt(serial: serial, notAfter: notAfter, agent: agent, pool: pool) }
            guard let row, row.agent == agent, row.pool == pool else {
                throw APIError(
                    .certificateUnknown, "this control plane did not issue certificate \(serial) to \(agent) in pool '\(pool)'",
                    hint: "join again with a new token: `flowforge-agent join`")
            }
            guard row.standing != .revoked else { throw Self.revokedError(agent) }
            guard row.revokedAt == nil else {
                throw APIError(
                    .certificateRevoked, "certificate \(serial) was revoked",
                    hint: "use the agent's newest certificate, or join again with a new token")
            }
            return AgentIdentity(id: agent, pool: pool, certificateSerial: serial, certificateNotAfter: notAfter)
        } catch let error as APIError {
            await refusals.record(actor: .agent(agent), action: "agent.authorize", subject: serial, error: error)
            throw error
        }
    }

    /// A certificate of our CA that is not in the books, of an agent that is: issued by this control plane
    /// after the backup that it was restored from. Entered again, once and audited, so that a restore does
    /// not cost every agent that has renewed since. `nil` for any other.
    private func adopt(serial: String, notAfter: Date, agent: ID<Agent>, pool: String) async throws -> CertificateRow? {
        guard try await store.read({ try $0.restorations.last() }) != nil else { return nil }
        let lifetime = Double(settings.certificateLifetime.components.seconds) + 300
        return try await store.write { session in
            guard let restored = try session.restorations.last(), notAfter > restored.madeAt,
                notAfter <= restored.restoredAt.addingTimeInterval(lifetime),
                let row = try session.agents.find(agent), row.pool == pool, row.standing != .revoked
            else { return nil }
            if let known = try session.certificates.find(serial: serial) { return known }
            try session.certificates.insert(serial: serial, agent: agent, notBefore: restored.madeAt, notAfter: notAfter)
            try session.audit.append(
                actor: .system("control-plane"), action: "agent.certificate.adopt", subject: agent.description,
                detail: ["serial": .string(serial), "restoredFrom": .string(restored.backup)])
            return try session.certificates.find(serial: serial)
        }
    }

    /// Sorted by age, oldest first.
    public func list(
        pool: String? = nil, after: String? = nil, limit: Int = 100
    ) async throws -> OperatorAPI.Page<OperatorAPI.AgentView> {
        let cursor = try Cursor.id(Agent.self, after)
        let rows = try await store.read { try $0.agents.list(pool: pool, after: cursor, limit: limit + 1) }
        let now = store.now()
        return Cursor.page(rows, limit: limit, id: \.id) { view($0, at: now) }
    }

    /// By id, or by name when exactly one agent has it.
    public func show(_ agent: ID<Agent>) async throws -> OperatorAPI.AgentView {
        guard let row = try await store.read({ try $0.agents.find(agent) }) else { throw Self.notFound(agent) }
        return view(row, at: store.now())
    }

    /// Takes no new work; what runs is finished. Draining an agent that drains changes nothing.
    public func drain(_ agent: ID<Agent>, by actor: Actor) async throws -> OperatorAPI.AgentView {
        try await move(agent, to: .draining, action: "agent.drain", by: actor)
    }

    /// Takes work again.
    public func resume(_ agent: ID<Agent>, by actor: Actor) async throws -> OperatorAPI.AgentView {
        try await move(agent, to: .active, action: "agent.resume", by: actor)
    }

    /// For good: every certificate of the agent is refused from the next request on, and it cannot
    /// join again under its id.
    public func revoke(_ agent: ID<Agent>, by actor: Actor) async throws -> OperatorAPI.AgentView {
        try await move(agent, to: .revoked, action: "agent.revoke", by: actor)
    }

    private func move(
        _ agent: ID<Agent>, to standing: AgentStanding, action: String, by actor: Actor
    ) async throws -> OperatorAPI.AgentView {
        let row = try await store.write { [standingChanged] session -> AgentRow in
            guard let row = try session.agents.find(agent) else { throw Self.notFound(agent) }
            if row.standing == standing { return row }
            guard row.standing != .revoked else {
                throw APIError(
                    .conflict, "agent \(agent) was revoked, which is for good",
                    hint: "join the machine again as a new agent: `flowforge-agent join --force`")
            }
            try session.agents.move(agent, from: [row.standing], to: standing)
            var detail: [String: JSONValue] = ["from": .string(row.standing.rawValue), "name": .string(row.name)]
            if standing == .revoked {
                detail["certificates"] = .integer(Int64(try session.certificates.revokeAll(of: agent)))
            }
            try session.audit.append(actor: actor, action: action, subject: agent.description, detail: detail)
            session.whenCommitted { standingChanged(agent) }
            var moved = row
            moved.standing = standing
            return moved
        }
        return view(row, at: store.now())
    }

    private func view(_ row: AgentRow, at now: Date) -> OperatorAPI.AgentView {
        let seconds = Double(settings.presence.components.seconds)
        let isOnline = row.lastPollAt.map { now.timeIntervalSince($0) < seconds } ?? false
        let state: AgentState =
            switch row.standing {
            case .revoked: .revoked
            case .draining: .draining
            case .active: !isOnline ? .offline : row.deafness?.probeAt == nil ? .online : .deaf
            }
        var (reason, hint): (String?, String?)
        if state == .deaf, let deafness = row.deafness, let probeAt = deafness.probeAt {
            reason =
                "it polls, but of the last \(deafness.missed) answers with work it started nothing; it gets one task again at "
                + probeAt.formatted(WireCoding.timeStyle)
            hint = "look at the agent's log; restart it, or drain it until it is mended"
        }
        return OperatorAPI.AgentView(
            id: row.id, name: row.name, pool: row.pool, state: state, agentVersion: row.agentVersion, engines: row.engines,
            labels: row.labels, slots: row.slots, leases: row.leases, joinedAt: row.joinedAt, lastPollAt: row.lastPollAt,
            certificateNotAfter: row.certificateNotAfter,
            spiffeID: SPIFFEID(trustDomain: trustDomain, pool: row.pool, agent: row.id).description, reason: reason, hint: hint)
    }

    static func revokedError(_ agent: ID<Agent>) -> APIError {
        APIError(
            .agentRevoked, "agent \(agent) was revoked",
            hint: "if that was not meant, join the machine again as a new agent with a new token")
    }

    private static func notFound(_ agent: ID<Agent>) -> APIError {
        APIError(.notFound, "there is no agent \(agent)", hint: "`flowforge agent list` shows those that joined")
    }
}
