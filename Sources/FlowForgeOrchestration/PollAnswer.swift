internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// One look at what there is to say to an agent, in one transaction.
struct PollAnswer: Sendable {
    private(set) var response: AgentAPI.PollResponse
    /// Whether the agent should hear it now rather than at the end of its poll.
    private(set) var isNews = false
    /// Whether the agent could have been given a task; if not, a ready task needs another.
    private(set) var couldClaim = false

    init(
        request: AgentAPI.PollRequest, agent: AgentIdentity, settings: OrchestrationSettings, wakeUps: WakeUps,
        session: Session
    ) throws {
        response = AgentAPI.PollResponse(serverTime: session.now)
        let standing = try session.agents.recordPoll(agent.id, request)
        if standing == .revoked {
            throw APIError(.agentRevoked, "agent \(agent.id) was revoked", hint: "join it again with a new token")
        }
        var wakes = Wakes()
        try renew(request.leases, agent: agent, settings: settings, session: session)
        response.publications = try session.publications.offer(
            pool: agent.pool, delay: settings.publicationGrace, limit: 100)
        if standing == .active {
            couldClaim = true
            try claim(
                upTo: request.freeSlots, engines: request.engines.map(\.name), agent: agent, settings: settings,
                session: session, wakes: &wakes)
        }
        // Slots that no lease takes and that are not free: the agent believes that it drains.
        let seemsToDrain = request.freeSlots == 0 && request.slots > request.leases.count
        if standing == .draining { response.directives.append(.drain) }
        if standing == .active, seemsToDrain { response.directives.append(.resume) }
        if !response.assignments.isEmpty || !response.publications.isEmpty { isNews = true }
        // An agent that knows that it drains offers no slots, and may wait like any other.
        if standing == .draining, request.freeSlots > 0 { isNews = true }
        try wakes.send(through: wakeUps, in: session)
    }

    private mutating func renew(
        _ leases: [AgentAPI.HeldLease], agent: AgentIdentity, settings: OrchestrationSettings, session: Session
    ) throws {
        var states: [ID<Run>: RunState?] = [:]
        for held in leases {
            let claim = LeaseClaim(lease: held.lease, fencing: held.fencing, agent: agent.id)
            let found = try session.attempts.find(held.attempt)
            guard let attempt = found, attempt.lifecycle.accepts(claim) else {
                try cancel(held, .leaseLost, own: found?.claim.agent == agent.id ? found : nil, settings, session)
                continue
            }
            // A cancelled attempt keeps its lease while the agent ends it, so that its end is heard.
            try session.attempts.renew(attempt.id, until: session.now + settings.lease)
            response.renewed.append(AgentAPI.RenewedLease(lease: held.lease, seconds: settings.lease.seconds))
            let state = try states[attempt.run] ?? session.runs.find(attempt.run)?.state
            states[attempt.run] = state
            if state == .cancelling { try cancel(held, .runCancelled, own: attempt, settings, session) }
        }
    }

    /// Told in every answer; but one that was told a moment ago is no news, or the agent would poll in
    /// a hot loop while it ends the task. What is not the agent's own is not marked as told.
    private mutating func cancel(
        _ held: AgentAPI.HeldLease, _ reason: AgentAPI.CancellationReason, own attempt: AttemptRow?,
        _ settings: OrchestrationSettings, _ session: Session
    ) throws {
        response.cancellations.append(
            AgentAPI.Cancellation(attempt: held.attempt, lease: held.lease, reason: reason))
        if let told = attempt?.cancellationToldAt, session.now < told + settings.cancellationRepeat { return }
        isNews = true
        if let attempt { try session.attempts.toldCancellation(attempt.id) }
    }

    private mutating func claim(
        upTo slots: Int, engines: [String], agent: AgentIdentity, settings: OrchestrationSettings, session: Session,
        wakes: inout Wakes
    ) throws {
        while response.assignments.count < slots,
            let task = try session.tasks.nextClaimable(pool: agent.pool, engines: engines)
        {
            guard let run = try session.runs.find(task.run) else {
                throw StoreError.corrupt("task \(task.id) belongs to no run")
            }
            var lifecycle = task.lifecycle
            guard lifecycle.claimed() else { throw StoreError.conflict("task \(task.name) is not ready") }
            try session.tasks.move(task, to: lifecycle)
            let attempt = NewAttempt(
                id: .make(at: session.now), number: task.attempts + 1,
                claim: LeaseClaim(
                    lease: .make(at: session.now), fencing: try session.attempts.nextFencing(pool: agent.pool),
                    agent: agent.id),
                leaseUntil: session.now + settings.startLease)
            try session.attempts.insert(attempt, at: task)
            try session.audit.append(
                actor: agent.actor, action: "attempt.claim", subject: attempt.id.description,
                detail: [
                    "run": .string(run.id.description), "task": .string(task.name),
                    "fencing": .integer(attempt.claim.fencing),
                ])
            wakes.runs.insert(run.id)
            response.assignments.append(
                try assignment(attempt, task: task, run: run, settings: settings, session: session))
        }
    }

    private func assignment(
        _ attempt: NewAttempt, task: TaskRow, run: RunRow, settings: OrchestrationSettings, session: Session
    ) throws -> AgentAPI.Assignment {
        // What this run itself has made comes first: another run may have published since.
        let ofRun = task.inputs.isEmpty ? [:] : try session.attempts.published(in: run.id)
        var inputs: [AssetName: SnapshotReference] = [:]
        for asset in task.inputs {
            inputs[asset] = try ofRun[asset] ?? session.publications.current(environment: run.environment, asset: asset)
        }
        return AgentAPI.Assignment(
            attempt: attempt.id, number: attempt.number, lease: attempt.claim.lease, fencing: attempt.claim.fencing,
            leaseSeconds: settings.startLease.seconds, run: run.id, environment: run.environment, bundle: run.bundle,
            flow: run.flow, task: task.name, parameters: run.parameters, variables: run.variables, inputs: inputs,
            base: try task.output.flatMap {
                try session.publications.current(environment: run.environment, asset: $0)
            },
            runTime: run.createdAt)
    }
}
