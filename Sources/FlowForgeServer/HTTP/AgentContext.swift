internal import FlowForgeDomain
internal import FlowForgeFleet
internal import FlowForgeProtocol
internal import Hummingbird
internal import Logging

/// A request to the agent API.
struct AgentContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private var authorized: AgentIdentity?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
    }

    /// The agent, behind ``AgentAuthorization``. Throws ``ErrorCode/certificateRequired``.
    var identity: AgentIdentity {
        get throws(APIError) {
            guard let authorized else { throw Self.certificateRequired }
            return authorized
        }
    }

    mutating func authorize(_ identity: AgentIdentity) {
        authorized = identity
        logger[metadataKey: "agent"] = "\(identity.id)"
    }

    static var certificateRequired: APIError {
        APIError(
            .certificateRequired, "this needs the client certificate of an agent that joined",
            hint: "join with `flowforge-agent join`; without a certificate only POST \(AgentAPI.basePath)/join is served")
    }
}

/// Lets only agents pass that may speak now. Asked on every request: expiry and revocation count from
/// the next request on, whatever the connection's age.
struct AgentAuthorization: RouterMiddleware {
    let registry: AgentRegistry

    func handle(
        _ request: Request, context: AgentContext, next: (Request, AgentContext) async throws -> Response
    ) async throws -> Response {
        guard case .agent(let certificate) = Connection.current?.peer else { throw AgentContext.certificateRequired }
        let identity = try await registry.authorize(
            serial: certificate.serial, notAfter: certificate.notAfter, agent: certificate.spiffeID.agent,
            pool: certificate.spiffeID.pool)
        var context = context
        context.authorize(identity)
        return try await next(request, context)
    }
}
