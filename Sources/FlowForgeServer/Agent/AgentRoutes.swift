internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeFleet
internal import FlowForgeOrchestration
internal import FlowForgeProtocol
internal import FlowForgeReleases
internal import FlowForgeStore
internal import Hummingbird

/// The routes under `/agent/v1`. Only join is served without a client certificate.
enum AgentRoutes {
    static func add(to router: Router<AgentContext>, services: ControlPlaneServices) {
        let anyone = router.group("agent/v1")
        anyone.post("join") { request, _ in
            let message = try await request.json(AgentAPI.JoinRequest.self, largest: 64 << 10)
            return try Response.json(try await services.joining.join(message))
        }

        let agents = router.group("agent/v1").add(middleware: AgentAuthorization(registry: services.agents))
        agents.post("renew") { request, context in
            let identity = try context.identity
            let message = try await request.json(AgentAPI.RenewRequest.self)
            return try Response.json(try await services.joining.renew(message, for: identity))
        }
        agents.post("poll") { request, context in
            let identity = try context.identity
            let message = try await request.json(AgentAPI.PollRequest.self)
            try AgentJoining.check(protocolVersion: message.protocolVersion)
            try await services.processes.admit(message, from: identity)
            let poll = try services.dispatcher.begin(message, from: identity)
            let encode = { @Sendable (answer: AgentAPI.PollResponse) in
                var answer = answer
                if services.joining.isRenewalOverdue(of: identity) { answer.directives.append(.renew) }
                return try WireCoding.encode(answer)
            }
            guard try await poll.arrive() else { return Response.held(poll, logger: context.logger, encode) }
            return Response.json(bytes: try encode(poll.answer))
        }
        agents.post("report") { request, context in
            let identity = try context.identity
            let message = try await request.json(AgentAPI.ReportRequest.self)
            try await services.processes.admit(message, from: identity)
            return try Response.json(try await services.reports.accept(message, from: identity))
        }
        agents.get("bundles/{digest}/referrers") { _, context -> Response in
            let digest = try context.parameters.require("digest")
            return try await Scope.$current.withValue(try await scope(of: context.identity, services.store)) {
                try Response.json(try await services.bundles.referrers(of: digest, artifactType: MediaType.attestation))
            }
        }
        agents.get("blobs/{digest}") { request, context in
            let digest = try context.parameters.require("digest")
            try await Scope.$current.withValue(try await scope(of: context.identity, services.store)) {
                try await services.bundles.requireOwn([digest])
            }
            return try await BlobResponse(digest, of: services.bundles).response(to: request, context: context)
        }
    }

    /// What an agent may fetch is what the organisation has that its pool belongs to.
    private static func scope(of agent: AgentIdentity, _ store: Store) async throws -> Scope {
        let owner = try await store.read { try $0.organisations.owner(ofPool: agent.pool) }
        return Scope(organisation: owner ?? Scope.defaultName)
    }
}
