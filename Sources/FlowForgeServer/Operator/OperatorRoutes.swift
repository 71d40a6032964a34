import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeStore
import Hummingbird
import NIOCore

/// The routes of the operator API under `/api/v1`. Every one is added through this type, which asks
/// for the role that it needs and binds what is done to the scope of whoever asks: there is no way to add one that is
/// open.
///
/// Resources/openapi.json describes each; a test compares the two.
struct OperatorRoutes {
    typealias Handler = @Sendable (Request, OperatorContext, Principals.SignedIn) async throws -> Response

    private let group: RouterGroup<OperatorContext>
    private let confinement: Confinement

    /// Adds every route. `router` has the authentication middleware already.
    static func add(to router: Router<OperatorContext>, _ services: OperatorServices) {
        let routes = OperatorRoutes(
            group: router.group(RouterPath(OperatorAPI.basePath)), confinement: Confinement(reach: services.reach))
        routes.addDocument()
        routes.addPrincipals(services.principals)
        routes.addOrganisations(services.organisations)
        routes.addTokens(services.tokens)
        routes.addAudit(services.audit)
        routes.addEnvironments(services.environments)
        routes.addReleases(services.deployments)
        routes.addPlans(services.plans)
        routes.addPromotions(services.promotions)
        routes.addGateSecrets(services.gates)
        routes.addDrift(services.drifts)
        routes.addBlobs(services.registry)
        routes.addBundles(services.registry)
        routes.addReferrers(services.registry, services.evidence)
        routes.addYanking(services.registry)
        routes.addGarbageCollection(services.garbage)
        routes.addRuns(services.starter, services.runs)
        routes.addFlows(services.flows)
        routes.addLimits(services.limits)
        routes.addTriggers(services.triggers, services.webhooks)
        routes.addBackfills(services.backfills)
        routes.addAssets(services.catalog)
        routes.addJoinTokens(services.joinTokens)
        routes.addAgents(services.agents)
        routes.addBackups(services.backups)
        routes.addRetention(services.pruner)
    }

    func get(_ path: RouterPath, _ role: Role = .viewer, use handler: @escaping Handler) {
        on(path, .get, role, handler)
    }

    func post(_ path: RouterPath, _ role: Role, use handler: @escaping Handler) { on(path, .post, role, handler) }

    func delete(_ path: RouterPath, _ role: Role, use handler: @escaping Handler) { on(path, .delete, role, handler) }

    func put(_ path: RouterPath, _ role: Role, use handler: @escaping Handler) { on(path, .put, role, handler) }

    func head(_ path: RouterPath, _ role: Role, use handler: @escaping Handler) { on(path, .head, role, handler) }

    /// What concerns every organisation: refused to whoever is of one.
    func platform(_ what: String, _ handler: @escaping Handler) -> Handler {
        { request, context, caller in
            guard caller.scope.isPlatform else { throw APIError.needsPlatform(what) }
            return try await handler(request, context, caller)
        }
    }

    private func on(_ path: RouterPath, _ method: HTTPRequest.Method, _ role: Role, _ handler: @escaping Handler) {
        let reach = RequestReach.of(method.rawValue, "\(path)")
        group.on(path, method: method) { [confinement] request, context in
            let caller = try context.require(role)
            return try await Scope.$current.withValue(caller.scope) {
                guard let limits = caller.confinement else { return try await handler(request, context, caller) }
                return try await handler(
                    try await confinement.checked(request, context, of: reach, by: limits), context, caller)
            }
        }
    }
}
