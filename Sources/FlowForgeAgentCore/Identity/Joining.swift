public import FlowForgeProtocol
public import Foundation

/// Makes this machine an agent: a key that stays here, a signed certificate from the control plane.
public struct Joining: Sendable {
    public var settings: LinkSettings
    public var state: URL
    public var token: Secret
    public var pool: String
    public var name: String
    /// The authority to trust; without it `settings.extraRoots` is what is trusted.
    public var fingerprint: Fingerprint?
    /// Joins as a new agent although this machine already is one.
    public var force: Bool

    public init(
        settings: LinkSettings, state: URL, token: Secret, pool: String, name: String, fingerprint: Fingerprint?, force: Bool
    ) {
        self.settings = settings
        self.state = state
        self.token = token
        self.pool = pool
        self.name = name
        self.fingerprint = fingerprint
        self.force = force
    }

    public enum Result: Sendable {
        case joined(Identity)
        /// Nothing was sent.
        case already(Identity)
    }

    /// The server is verified before the token leaves this machine. The identity is on the disk on return.
    ///
    /// - Throws: ``JoinFault``, ``IdentityError``, ``LinkError``.
    public func join(now: Date = Date()) async throws -> Result {
        let lock = try StateLock(state: state)
        defer { lock.release() }
        let folder = IdentityFolder(state: state)
        var former: ID<Agent>?
        if !force {
            do {
                let identity = try folder.load()
                if identity.notAfter > now { return .already(identity) }
                // Expired while it was offline: it comes back as itself.
                former = identity.agent
            } catch IdentityError.notJoined {}
        }
        var roots: [String] = []
        if let fingerprint { roots = [try await ServerPin.authority(fingerprint, settings: settings)] }
        guard !roots.isEmpty || settings.extraRoots != nil else { throw JoinFault.noPin }
        var pinned = settings
        if fingerprint != nil { pinned.extraRoots = nil }
        let link = try ControlPlaneLink(settings: pinned, identity: nil, roots: roots)
        let key = MachineKey()
        let request = AgentAPI.JoinRequest(
            token: token, pool: pool, csr: try key.request(name: name), name: name, agent: former)
        let grant: AgentAPI.CertificateGrant
        do {
            grant = try await link.join(request)
            await link.close()
        } catch {
            await link.close()
            throw (error as? LinkError).map(JoinFault.init) ?? error
        }
        let identity = try Identity(grant, key: key, name: name, url: settings.url)
        try folder.save(identity)
        return .joined(identity)
    }
}

/// Why joining failed, in one line.
public enum JoinFault: Error, CustomStringConvertible {
    case noPin
    case refused(APIError)
    case link(LinkError)

    init(_ error: LinkError) {
        if case .refused(let refusal, _) = error { self = .refused(refusal) } else { self = .link(error) }
    }

    public var description: String {
        switch self {
        case .noPin: "say whom to trust: --ca-fingerprint sha256:… (flowforged prints it), or --ca-file"
        case .link(let error): "cannot reach the control plane: \(error)"
        case .refused(let error):
            switch error.code {
            case .tokenUnknown: "the token is not known to this control plane; check that it is whole and of this installation"
            case .tokenUsed: "the token has been used up; ask for a new one (flowforge agent token create)"
            case .tokenExpired: "the token has expired; ask for a new one (flowforge agent token create)"
            case .tokenPool: "the token is for another pool: \(error.message)"
            case .agentRevoked: "this agent was revoked; join as a new one with --force and a new token"
            case .invalidCSR: "the control plane did not take the signing request: \(error.message)"
            case .protocolVersion: "this agent and the control plane speak different versions: \(error)"
            default: "refused: \(error)"
            }
        }
    }
}
