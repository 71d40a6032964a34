internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Hands ready tasks to an agent, in one transaction.
struct Claiming {
    let session: Session
    let agent: AgentIdentity
    let settings: OrchestrationSettings
    private var queue: TaskQueue
    /// Claimed so far, by engine.
    private(set) var given: [String: Int] = [:]
    var wakes: Wakes {
        get { queue.wakes }
        set { queue.wakes = newValue }
    }

    init(session: Session, agent: AgentIdentity, settings: OrchestrationSettings, wakes: Wakes = Wakes()) {
        self.session = session
        queue = TaskQueue(session: session, wakes: wakes)
        self.agent = agent
        self.settings = settings
    }

    /// How many tasks the agent can start now, by what it says and what it has been given; `held` slots are taken that
    /// neither tells of.
    func capacity(_ offer: AgentAPI.WorkOffer, besides held: Int = 0) throws -> Int {
        let (slots, lost) = (Self.plausible(offer.slots), Self.plausible(offer.lostSlots))
        return try capacity(free: slots - lost - held - session.attempts.live(agent: agent.id))
    }

    private static func plausible(_ slots: Int) -> Int { max(0, min(slots, Dispatcher.mostLeases)) }

    /// The same for an agent that says so many slots are free. An agent that starts nothing is given little.
    func capacity(free: Int) throws -> Int {
        max(0, min(free, Dispatcher.mostAssignments, try session.deafness.allowance(agent.id)))
    }

    /// Up to so many, each under a lease of its own.
    mutating func claim(upTo count: Int, engines: [String]) throws -> [AgentAPI.Assignment] {
        var assignments: [AgentAPI.Assignment] = []
        while assignments.count < count, let next = try queue.next(pool: agent.pool, engines: engines) {
            assignments.append(try claim(next.task, of: next.run, taking: next.units))
        }
        return assignments
    }

    private mutating func claim(
        _ task: TaskRow, of run: RunRow, taking units: [LimitKey: Int]
    ) throws -> AgentAPI.Assignment {
        var lifecycle = task.lifecycle
        guard lifecycle.claimed() else { throw StoreError.conflict("task \(task.name) is not ready") }
        try session.tasks.move(task, to: lifecycle)
        let attempt = NewAttempt(
            id: .make(at: session.now), number: task.attempts + 1,
            claim: LeaseClaim(
                lease: .make(at: session.now), fencing: try session.attempts.nextFencing(pool: agent.pool),
                agent: agent.id),
            leaseUntil: session.now + settings.startLease, deadline: session.now + settings.startDeadline)
        try session.attempts.insert(attempt, at: task)
        try session.limits.take(units, for: attempt.id)
        try session.audit.append(
            actor: agent.actor, action: "attempt.claim", subject: attempt.id.description,
            detail: [
                "run": .string(run.id.description), "task": .string(task.name),
                "fencing": .integer(attempt.claim.fencing),
            ])
        wakes.runs.insert(run.id)
        wakes.taken(task)
        given[task.engine, default: 0] += 1
        return try assignment(attempt, task: task, run: run)
    }

    private func assignment(_ attempt: NewAttempt, task: TaskRow, run: RunRow) throws -> AgentAPI.Assignment {
        // What this run itself has made comes first: another run may have published since.
        var inputs: [AssetName: SnapshotReference] = [:]
        for asset in task.inputs {
            inputs[asset] =
                try session.attempts.published(asset, in: run.id)
                ?? session.publications.current(environment: run.environment, asset: asset)
        }
        return AgentAPI.Assignment(
            attempt: attempt.id, number: attempt.number, lease: attempt.claim.lease, fencing: attempt.claim.fencing,
            leaseSeconds: settings.startLease.seconds, run: run.id, environment: run.environment, bundle: run.bundle,
            flow: run.flow, task: task.name, parameters: run.parameters, variables: run.variables, inputs: inputs,
            base: try task.output.flatMap {
                try session.publications.current(environment: run.environment, asset: $0)
            },
            runTime: run.createdAt, scheduledFor: run.origin.scheduledFor,
            credentials: task.credentials.isEmpty ? nil : run.credentials.filter { task.credentials.contains($0.key) },
            storage: try session.environments.storage(of: run.environment))
    }
}
