public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Logging

/// Starts and cancels runs for people and programs.
public struct RunStarter: Sendable {
    private let store: Store
    private let wakeUps: WakeUps
    private let settings: OrchestrationSettings
    private let logger: Logger

    public init(
        store: Store, wakeUps: WakeUps, settings: OrchestrationSettings = OrchestrationSettings(), logger: Logger
    ) {
        self.store = store
        self.wakeUps = wakeUps
        self.settings = settings
        self.logger = logger
    }

    /// Creates a run of a flow in its environment's current release, with every task of it. The roots
    /// are ready, and polls that wait for them woken, once this returns.
    ///
    /// With an idempotency key that the environment has seen, the run of then is returned and nothing
    /// created; the same key for another flow or other parameters is refused.
    public func start(
        _ request: OperatorAPI.StartRun, by actor: Actor
    ) async throws -> (run: OperatorAPI.RunView, created: Bool) {
        let (run, created) = try await store.write { session in
            try RunCreation(request: request, actor: actor, origin: RunOrigin(.manual), session: session).run(wakeUps: wakeUps)
        }
        if created {
            logger.info(
                "run started",
                metadata: ["run": "\(run.id)", "environment": "\(run.environment)", "flow": "\(run.flow)"])
        }
        return (run, created)
    }

    /// Makes a run from an earlier one that has ended: of the tasks that did not succeed, of chosen ones,
    /// or of all. Each call makes one more.
    public func rerun(
        _ id: ID<Run>, _ request: OperatorAPI.RerunRequest, by actor: Actor
    ) async throws -> OperatorAPI.RunView {
        let view = try await store.write { session in
            guard let earlier = try session.runs.find(id) else { throw APIError.noRun(id) }
            return try RunRepetition(request: request, earlier: earlier, actor: actor, session: session).run(wakeUps: wakeUps)
        }
        logger.info("run repeated", metadata: ["run": "\(view.id)", "earlier": "\(id)"])
        return view
    }

    /// Cancels what is not final: tasks that nobody works on at once, the others by asking their
    /// agents; the run is `cancelling` until the last of them has ended. Cancelling again, or
    /// cancelling a final run, changes nothing.
    public func cancel(_ id: ID<Run>, by actor: Actor) async throws -> OperatorAPI.RunView {
        let view = try await store.write { session in
            guard var run = try session.runs.find(id) else { throw APIError.noRun(id) }
            var stager = RunStager(session: session, toleratedLosses: settings.toleratedLosses)
            if try stager.end(&run, .cancelled, by: actor) { try stager.wakes.send(through: wakeUps, in: session) }
            return try RunView.full(id, in: session)
        }
        logger.info("run cancelled", metadata: ["run": "\(id)", "state": "\(view.state.rawValue)"])
        return view
    }
}
