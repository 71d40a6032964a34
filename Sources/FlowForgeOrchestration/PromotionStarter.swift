public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore

/// Runs that belong to promotions.
public struct PromotionStarter: PromotionRuns {
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings

    public init(wakeUps: WakeUps, settings: OrchestrationSettings) {
        self.wakeUps = wakeUps
        self.settings = settings
    }

    public func start(
        _ flow: FlowReference, for promotion: ID<Promotion>, by actor: Actor, in session: Session
    ) throws -> ID<Run> {
        let request = OperatorAPI.StartRun(
            environment: flow.environment, bundle: flow.bundle, flow: flow.flow, idempotencyKey: "\(promotion)/\(flow.flow)")
        var creation = RunCreation(request: request, actor: actor, origin: RunOrigin(.manual), session: session)
        creation.promotion = promotion
        return try creation.run(wakeUps: wakeUps).0.id
    }

    public func start(_ flow: FlowReference, by actor: Actor, in session: Session) throws -> ID<Run> {
        let request = OperatorAPI.StartRun(environment: flow.environment, bundle: flow.bundle, flow: flow.flow)
        return try RunCreation(request: request, actor: actor, origin: RunOrigin(.manual), session: session)
            .run(wakeUps: wakeUps).0.id
    }

    public func resume(_ trigger: ID<Trigger>, by actor: Actor, in session: Session) throws {
        _ = try TriggerResumption(session: session, wakeUps: wakeUps).resume(trigger, by: actor)
    }

    public func cancel(_ run: ID<Run>, by actor: Actor, in session: Session) throws {
        guard var row = try session.runs.find(run) else { return }
        var stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
        if try stager.end(&row, .cancelled, by: actor) { try stager.wakes.send(through: wakeUps, in: session) }
    }

    public func letGo() { wakeUps.wakeTriggers() }
}
