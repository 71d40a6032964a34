internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// One look at what there is to say to an agent, in one transaction.
struct PollAnswer: Sendable {
    var response: AgentAPI.PollResponse
    /// Whether the agent should hear it now rather than at the end of its poll.
    private(set) var isNews = false
    /// Whether the agent could have been given a task; if not, a ready task needs another.
    private(set) var hadRoom = false
    /// How many more tasks the agent could start.
    private(set) var free = 0
    /// How many of the assigned tasks need an engine.
    private(set) var given: [String: Int] = [:]
    /// Attempts that were taken back from the agent, and that it had not heard of when it polled: they take slots still.
    private var stillHeld = 0

    /// - Parameter isFirst: the poll has just arrived. Only then it is a sign of life: what the control
    ///   plane looks at later by itself may be the poll of an agent that is gone.
    init(
        request: AgentAPI.PollRequest, isFirst: Bool, agent: AgentIdentity, settings: OrchestrationSettings,
        wakeUps: WakeUps, session: Session
    ) throws {
        response = AgentAPI.PollResponse(serverTime: session.now)
        let standing = try isFirst ? session.agents.recordPoll(agent.id, request) : session.agents.standing(of: agent.id)
        guard let standing, standing != .revoked else {
            throw APIError(.agentRevoked, "agent \(agent.id) was revoked", hint: "join it again with a new token")
        }
        try look(at: request.leases, renewing: isFirst, agent: agent, settings: settings, session: session)
        response.publications = try session.publications.offer(
            pool: agent.pool, delay: settings.publicationGrace, limit: 100)
        var claiming = Claiming(session: session, agent: agent, settings: settings)
        if standing == .active {
            // An agent that fell silent must not be given back what was taken from it, through a poll that it
            // left before: it has to speak first.
            let isSilent = !isFirst && response.cancellations.contains { $0.reason == .leaseLost }
            let offered = try request.offer.map { try claiming.capacity($0, besides: stillHeld) }
            let room = try isSilent ? 0 : offered ?? claiming.capacity(free: request.freeSlots)
            let engines = request.offer?.engines ?? request.engines.map(\.name)
            if room > 0 { response.assignments = try claiming.claim(upTo: room, engines: engines) }
            given = claiming.given
            hadRoom = room > 0
            free = room - response.assignments.count
        }
        if standing == .active, isFirst {
            let (watches, isNew) = try FileArrivals(session: session).watches(of: agent)
            if !watches.isEmpty { response.watches = watches }
            if isNew { isNews = true }
        }
        if let kinds = request.answers {
            let mayTake = standing == .active && !kinds.isEmpty
            try inquire(kinds: mayTake ? Array(kinds.prefix(16)) : [], agent: agent, isAlive: isFirst, session: session)
        }
        // Slots that no lease takes and that are not free: the agent believes that it drains.
        let seemsToDrain = request.offer == nil && request.freeSlots == 0 && request.slots > request.leases.count
        if standing == .draining { response.directives.append(.drain) }
        if standing == .active, seemsToDrain { response.directives.append(.resume) }
        if !response.assignments.isEmpty || !response.publications.isEmpty { isNews = true }
        // An agent that knows that it drains offers no slots, and may wait like any other.
        if standing == .draining, request.freeSlots > 0 || request.offer != nil { isNews = true }
        try claiming.wakes.send(through: wakeUps, in: session)
    }

    /// What the agent is to answer; one question at a time.
    private mutating func inquire(kinds: [String], agent: AgentIdentity, isAlive: Bool, session: Session) throws {
        var held = try session.inquiries.held(by: agent.id, isAlive: isAlive)
        if held.isEmpty, !kinds.isEmpty, let taken = try session.inquiries.take(pool: agent.pool, kinds: kinds, agent: agent.id) {
            held = [taken]
            isNews = true
        }
        if !held.isEmpty { response.inquiries = try held.map { try AgentAPI.Question($0, in: session) } }
    }

    private mutating func look(
        at leases: [AgentAPI.HeldLease], renewing: Bool, agent: AgentIdentity, settings: OrchestrationSettings,
        session: Session
    ) throws {
        var states: [ID<Run>: RunState?] = [:]
        for held in leases {
            let claim = LeaseClaim(lease: held.lease, fencing: held.fencing, agent: agent.id)
            let found = try session.attempts.find(held.attempt)
            guard let attempt = found, attempt.lifecycle.accepts(claim) else {
                let hasTold = found.map { $0.claim == claim && !$0.wasTakenBack } ?? false
                // While the poll was held the agent itself has told its end.
                if !renewing, hasTold { continue }
                if !hasTold { stillHeld += 1 }
                try cancel(held, .leaseLost, own: found?.claim.agent == agent.id ? found : nil, settings, session)
                continue
            }
            // A cancelled attempt keeps its lease while the agent ends it, so that its end is heard.
            if renewing {
                try session.attempts.renew(attempt.id, until: session.now + settings.lease)
                response.renewed.append(AgentAPI.RenewedLease(lease: held.lease, seconds: settings.lease.seconds))
            }
            let state = try states[attempt.run] ?? session.runs.state(attempt.run)
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
}
