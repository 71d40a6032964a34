internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeFleet
internal import FlowForgeGovernance
internal import FlowForgeOrchestration
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
internal import Hummingbird
public import Logging
public import ServiceLifecycle

/// One control plane: the store, the features on it, two listeners, and what runs beside them.
/// `flowforged` and the tests run the same.
public final class ControlPlane: Sendable {
    public let settings: ServerSettings
    public let store: Store
    /// `sha256:<64 hex>` of the CA's certificate.
    public let caFingerprint: String
    let services: ControlPlaneServices
    private let certificates: ListenerCertificates
    private let handshakes: HandshakeRefusals
    private let agentListener: Listener<BriefResponder<RouterResponder<AgentContext>>>
    private let operatorListener: Listener<RouterResponder<OperatorContext>>
    private let logger: Logger
    private let lock: DataFolderLock

    /// Opens everything that can be opened before listening. Throws ``StartUpFault`` or `StoreError`, each
    /// one line that says what to do.
    public init(settings: ServerSettings, storeOptions: Store.Options = Store.Options(), logger: Logger) throws {
        self.settings = settings
        self.logger = logger
        let folder = DataFolder(settings.dataFolder)
        lock = try DataFolderLock(folder)
        let mark = try folder.restoredMark()
        let authority = try folder.authority()
        caFingerprint = authority.fingerprint
        certificates = try ListenerCertificates(settings: settings, folder: folder, authority: authority, logger: logger)
        var storeOptions = storeOptions
        storeOptions.clockStepped = { seconds in
            logger.warning(
                "the machine's clock was set; leases, delays and offers were moved by as much",
                metadata: ["seconds": "\((seconds * 1000).rounded() / 1000)"])
        }
        storeOptions.restoration = mark.map { Restoration(backup: $0.backup, madeAt: $0.madeAt, restoredAt: $0.restoredAt) }
        store = try Store(path: folder.database.path, options: storeOptions)
        if let mark { try Self.restored(mark, folder, logger) }
        var fleet = FleetSettings(agentURL: settings.agentURL)
        fleet.certificateLifetime = settings.agentCertificateLifetime
        services = try ControlPlaneServices(
            store: store, authority: authority, webhookKeys: try folder.webhookKeys(), gateKeys: try folder.gateKeys(),
            evidenceKey: try folder.evidenceSigningKey(), fleet: fleet, settings: settings, logger: logger)
        handshakes = HandshakeRefusals(refusals: services.refusals)

        let refused = { @Sendable [handshakes] (refusal: HandshakeRefusal) in handshakes.add(refusal) }
        agentListener = Listener(
            name: "agent_api.listen", address: settings.agentListen, tls: certificates.agents,
            trustDomain: authority.trustDomain, limits: settings.limits, mostConnections: settings.limits.agents,
            responder: BriefResponder(inner: Self.agentRouter(services).buildResponder()), refused: refused, logger: logger)
        operatorListener = Listener(
            name: "operator_api.listen", address: settings.operatorListen, tls: certificates.operators,
            trustDomain: authority.trustDomain, limits: settings.limits, mostConnections: settings.limits.operators,
            responder: Self.operatorRouter(services).buildResponder(), refused: refused, logger: logger)
    }

    /// The store has taken note of it, durably.
    private static func restored(_ mark: RestoredMark, _ folder: DataFolder, _ logger: Logger) throws {
        try FileManager.default.removeItem(at: folder.restored)
        logger.warning(
            "restored from a backup: what happened after it is not known here; see docs/operations.md, After a restore",
            metadata: ["backup": "\(mark.backup)", "made_at": "\(mark.madeAt)", "restored_at": "\(mark.restoredAt)"])
    }

    /// The ports, once the listeners listen; throws what kept them from it.
    public var agentPort: Int { get async throws { try await agentListener.port.get() } }
    public var operatorPort: Int { get async throws { try await operatorListener.port.get() } }

    /// Requests that are being held: polls, and waits for runs and logs.
    public var heldRequests: Int { services.wakeUps.waiting }

    /// Reads the certificate files again.
    public func reload() throws { try certificates.reload() }

    /// In dependency order; a service group stops them in reverse.
    public var lifecycle: [any Service] {
        [
            StoreClosing(store: store),
            handshakes,
            LeaseReaper(store: store, wakeUps: services.wakeUps, settings: settings.orchestration, logger: logger),
            TriggerClock(
                store: store, wakeUps: services.wakeUps, figures: services.triggerFigures, logger: logger),
            BackfillFeeder(store: store, wakeUps: services.wakeUps, logger: logger),
            services.promotionClock,
            services.gateCaller,
            services.driftClock,
            services.pruner,
            certificates,
            Together(services: [agentListener, operatorListener]),
            // Last, so that it is stopped first: held requests are answered before the listeners wait
            // for the requests that they serve.
            Draining(services: services),
        ]
    }

    private static func agentRouter(_ services: ControlPlaneServices) -> Router<AgentContext> {
        let router = Router(context: AgentContext.self)
        router.middlewares.add(CountRequests(figures: services.requests, api: .agent))
        router.middlewares.add(RequestLog())
        router.middlewares.add(ErrorResponses())
        HealthRoutes.add(to: router, services: services)
        AgentRoutes.add(to: router, services: services)
        return router
    }

    static func operatorRouter(_ services: ControlPlaneServices) -> Router<OperatorContext> {
        let router = Router(context: OperatorContext.self)
        router.middlewares.add(CountRequests(figures: services.requests, api: .operator_))
        router.middlewares.add(RequestLog())
        router.middlewares.add(ErrorResponses())
        HealthRoutes.add(to: router, services: services)
        // Deliveries are signed; they show no token.
        WebhookRoutes.add(to: router, services.webhooks)
        GateRoutes.add(to: router, services.gateCallbacks)
        router.middlewares.add(Authentication(principals: services.principals, refusals: services.refusals))
        router.get("metrics") { _, context in
            guard try context.require(.viewer).scope.isPlatform else { throw APIError.needsPlatform("figures") }
            // They name every environment.
            try context.requireEverywhere(.viewer)
            return Response.plain(try await services.metrics.text(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        OperatorRoutes.add(to: router, services.operatorServices)
        return router
    }
}

/// Closes the store once everything that uses it has stopped.
private struct StoreClosing: Service {
    let store: Store

    func run() async throws {
        try? await gracefulShutdown()
        try store.close()
    }
}

/// Answers every held request when the control plane is asked to stop.
private struct Draining: Service {
    let services: ControlPlaneServices

    func run() async throws {
        try? await gracefulShutdown()
        services.drain()
    }
}

/// Services that start and stop at the same time instead of one after the other.
private struct Together: Service {
    let services: [any Service]

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { try await service.run() } }
            try await group.waitForAll()
        }
    }
}
