internal import FlowForgeBundle
internal import FlowForgeCatalog
internal import FlowForgeFleet
internal import FlowForgeGovernance
internal import FlowForgeIntegrations
internal import FlowForgeOrchestration
internal import FlowForgeProtocol
internal import FlowForgeReleases
internal import FlowForgeStore
internal import Foundation
internal import Logging
internal import Synchronization

/// What the routes call: each feature, composed once.
final class ControlPlaneServices: Sendable {
    let store: Store
    let authority: CertificateAuthority
    let refusals: RefusalTrail
    let principals: Principals
    let organisations: Organisations
    let audit: AuditTrail
    let joinTokens: JoinTokens
    let joining: AgentJoining
    let agents: AgentRegistry
    let processes: AgentProcesses
    let bundles: BundleRegistry
    let evidence: EvidenceSigner
    let garbage: GarbageCollection
    let environments: Environments
    let deployments: Deployments
    let plans: Plans
    let promotions: Promotions
    let promotionClock: PromotionClock
    let gateCaller: GateCaller
    let gateCallbacks: GateCallbacks
    let drifts: Drifts
    let driftClock: DriftClock
    let wakeUps: WakeUps
    let orchestration: OrchestrationSettings
    let runs: RunStarter
    let runReader: RunReader
    let flows: Flows
    let limits: Limits
    let triggers: Triggers
    let webhooks: Webhooks
    let backfills: Backfills
    let triggerFigures = TriggerFigures()
    let dispatcher: Dispatcher
    let reports: ReportIntake
    let catalog: CatalogReader
    let backups: Backups
    let pruner: Pruner
    let requests = RequestFigures()
    let metrics: MetricsPage
    let startedAt: Date
    private let draining = Atomic(false)

    init(
        store: Store, authority: CertificateAuthority, webhookKeys: WebhookKeys, gateKeys: GateKeys, evidenceKey: SigningKey,
        fleet: FleetSettings, settings: ServerSettings, logger: Logger
    ) throws {
        let orchestration = settings.orchestration
        self.store = store
        self.authority = authority
        self.orchestration = orchestration
        startedAt = store.now()
        refusals = RefusalTrail(store: store, logger: logger)
        principals = Principals(store: store)
        organisations = Organisations(store: store)
        audit = AuditTrail(store: store)
        joinTokens = JoinTokens(store: store, settings: fleet, caFingerprint: authority.fingerprint)
        joining = AgentJoining(store: store, authority: authority, settings: fleet, refusals: refusals, logger: logger)
        let wakeUps = WakeUps()
        self.wakeUps = wakeUps
        agents = AgentRegistry(
            store: store, trustDomain: authority.trustDomain, settings: fleet, refusals: refusals,
            standingChanged: { wakeUps.wake(agent: $0) })
        processes = AgentProcesses(store: store, refusals: refusals, takenOver: { wakeUps.wake(agent: $0) })
        bundles = try BundleRegistry(
            store: store, folder: DataFolder(settings.dataFolder).bundles, signatures: settings.signatures,
            own: [KeyRing.Entry(name: EvidenceSigner.name, key: evidenceKey.verifying)], logger: logger)
        evidence = EvidenceSigner(key: evidenceKey, registry: bundles)
        garbage = GarbageCollection(
            store: store, registry: bundles, retention: settings.bundles, keepers: [PlanKeeper()], logger: logger)
        environments = Environments(store: store)
        let observers = [TriggerDeployment(wakeUps: wakeUps)]
        deployments = Deployments(store: store, observers: observers)
        let gateBell = Doorbell()
        let bell = Doorbell(ringing: gateBell)
        let inquiries = Inquiries(wakeUps: wakeUps)
        plans = Plans(store: store, registry: bundles, bell: bell)
        promotions = Promotions(store: store, registry: bundles, bell: bell)
        gateCaller = GateCaller(
            store: store, keys: gateKeys, bell: gateBell, answers: plans, callbackBase: settings.operatorAddress, logger: logger)
        gateCallbacks = GateCallbacks(store: store, keys: gateKeys, answers: plans, refusals: refusals)
        let starter = PromotionStarter(wakeUps: wakeUps, settings: orchestration)
        promotionClock = PromotionClock(
            store: store, registry: bundles, bell: bell, observers: observers, runs: starter, pools: wakeUps,
            inquiries: inquiries, evidence: evidence, logger: logger)
        drifts = Drifts(
            store: store, observers: observers, runs: starter, pools: wakeUps, inspector: LakeInspector(inquiries: inquiries))
        driftClock = DriftClock(store: store, drifts: drifts, every: settings.driftPeriod, logger: logger)
        runs = RunStarter(store: store, wakeUps: wakeUps, settings: orchestration, logger: logger)
        runReader = RunReader(store: store, wakeUps: wakeUps)
        flows = Flows(store: store, wakeUps: wakeUps)
        limits = Limits(store: store, wakeUps: wakeUps)
        triggers = Triggers(store: store, wakeUps: wakeUps)
        webhooks = Webhooks(store: store, wakeUps: wakeUps, keys: webhookKeys, refusals: refusals)
        backfills = Backfills(store: store, wakeUps: wakeUps)
        dispatcher = Dispatcher(store: store, wakeUps: wakeUps, settings: orchestration, logger: logger)
        reports = ReportIntake(
            store: store, observers: [CompletionRecorder(), AssetUpdates(wakeUps: wakeUps)], wakeUps: wakeUps,
            settings: orchestration, logger: logger)
        catalog = CatalogReader(store: store)
        backups = Backups(store: store, registry: bundles, settings: settings, logger: logger)
        let pruner = Pruner(store: store, settings: settings.retention, logger: logger)
        self.pruner = pruner
        metrics = MetricsPage(
            store: store, wakeUps: wakeUps, requests: requests, triggers: triggerFigures, presence: fleet.presence,
            removed: { pruner.removed })
    }

    var operatorServices: OperatorServices {
        OperatorServices(
            principals: principals, tokens: ShortTokens(store: store), reach: TokenReach(store: store),
            organisations: organisations, audit: audit, environments: environments,
            deployments: deployments, plans: plans,
            promotions: promotions, gates: gateCallbacks, drifts: drifts, registry: bundles, evidence: evidence, garbage: garbage,
            starter: runs,
            runs: runReader, flows: flows, limits: limits, triggers: triggers, webhooks: webhooks,
            backfills: backfills, catalog: catalog, joinTokens: joinTokens, agents: agents, backups: backups, pruner: pruner)
    }

    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Answers every request that is being held, now and from now on.
    func drain() {
        draining.store(true, ordering: .relaxed)
        wakeUps.drain()
    }
}
