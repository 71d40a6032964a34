public import FlowForgeCatalog
public import FlowForgeFleet
public import FlowForgeGovernance
public import FlowForgeIntegrations
public import FlowForgeOrchestration
public import FlowForgeReleases

/// The features that the operator API's routes call.
public struct OperatorServices: Sendable {
    public var principals: Principals
    public var organisations: Organisations
    public var tokens: ShortTokens
    public var reach: TokenReach
    public var audit: AuditTrail
    public var environments: Environments
    public var deployments: Deployments
    public var plans: Plans
    public var promotions: Promotions
    public var gates: GateCallbacks
    public var drifts: Drifts
    public var registry: BundleRegistry
    public var evidence: EvidenceSigner
    public var garbage: GarbageCollection
    public var starter: RunStarter
    public var runs: RunReader
    public var flows: Flows
    public var limits: Limits
    public var triggers: Triggers
    public var webhooks: Webhooks
    public var backfills: Backfills
    public var catalog: CatalogReader
    public var joinTokens: JoinTokens
    public var agents: AgentRegistry
    var backups: Backups
    var pruner: Pruner

    init(
        principals: Principals, tokens: ShortTokens, reach: TokenReach, organisations: Organisations, audit: AuditTrail,
        environments: Environments,
        deployments: Deployments,
        plans: Plans, promotions: Promotions, gates: GateCallbacks, drifts: Drifts, registry: BundleRegistry,
        evidence: EvidenceSigner,
        garbage: GarbageCollection, starter: RunStarter, runs: RunReader, flows: Flows, limits: Limits, triggers: Triggers,
        webhooks: Webhooks, backfills: Backfills, catalog: CatalogReader, joinTokens: JoinTokens,
        agents: AgentRegistry, backups: Backups, pruner: Pruner
    ) {
        self.principals = principals
        self.organisations = organisations
        self.tokens = tokens
        self.reach = reach
        self.audit = audit
        self.environments = environments
        self.deployments = deployments
        self.plans = plans
        self.promotions = promotions
        self.gates = gates
        self.drifts = drifts
        self.registry = registry
        self.evidence = evidence
        self.garbage = garbage
        self.starter = starter
        self.runs = runs
        self.flows = flows
        self.limits = limits
        self.triggers = triggers
        self.webhooks = webhooks
        self.backfills = backfills
        self.catalog = catalog
        self.joinTokens = joinTokens
        self.agents = agents
        self.backups = backups
        self.pruner = pruner
    }
}
