import FlowForgeProtocol
import Foundation

/// Why an attempt is ended before its task is done.
enum EndReason: Hashable, Sendable {
    case runCancelled
    /// Nothing of it may be reported or published.
    case leaseLost
    case timedOut
    /// The agent is shutting down.
    case stopping
}

/// What the agent is to do after it has heard from the control plane.
enum AgentAction {
    case start(AgentAPI.Assignment)
    case end(ID<Attempt>, EndReason)
    case publish(AgentAPI.Publication)
    case renewCertificate
    /// An assignment that cannot be taken; its lease lapses by itself.
    case decline(AgentAPI.Assignment, why: String)
}

/// The attempts that this agent holds leases for, and what may be taken beside them.
///
///     (assigned) ─▶ working ─▶ ending(reason) ─▶ (finished)
///                      └──────────────────────────▶┘
///
/// A lease's end is kept on the agent's own monotonic clock, so that a cut line or a wrong wall
/// clock cannot make it work on under a lease that the control plane has given away.
struct AttemptBoard {
    typealias Instant = ContinuousClock.Instant

    private struct Entry {
        var held: AgentAPI.HeldLease
        var deadline: Instant
        var ending: EndReason?
    }

    let slots: Int
    private var entries: [ID<Attempt>: Entry] = [:]
    /// By order of the control plane.
    private(set) var isDraining = false
    /// By order of the machine.
    private(set) var isStopping = false

    init(slots: Int) { self.slots = slots }

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    var freeSlots: Int { isDraining || isStopping ? 0 : max(0, slots - entries.count) }

    /// Leases to list in a poll. One that is lost is not ours to prolong.
    var leases: [AgentAPI.HeldLease] {
        entries.values.filter { $0.ending != .leaseLost }.map(\.held).sorted { $0.attempt < $1.attempt }
    }

    /// - Parameters:
    ///   - sent: when the poll left. What it renewed is counted from there, never later than the
    ///     control plane counts it.
    ///   - received: when the answer came. A new lease begins shortly before.
    mutating func heard(_ response: AgentAPI.PollResponse, sent: Instant, received: Instant) -> [AgentAction] {
        var actions: [AgentAction] = []
        for directive in response.directives {
            switch directive {
            case .drain: isDraining = true
            case .resume: isDraining = false
            case .renew: actions.append(.renewCertificate)
            case .unknown: break
            }
        }
        for renewed in response.renewed { renew(renewed.lease, until: sent + .seconds(renewed.seconds)) }
        for cancellation in response.cancellations {
            let reason: EndReason = cancellation.reason == .runCancelled ? .runCancelled : .leaseLost
            if entries[cancellation.attempt]?.held.lease == cancellation.lease {
                actions += end(cancellation.attempt, reason)
            }
        }
        for assignment in response.assignments { actions += assigned(assignment, received: received) }
        actions += response.publications.map { .publish($0) }
        return actions
    }

    private mutating func assigned(_ assignment: AgentAPI.Assignment, received: Instant) -> [AgentAction] {
        // Repeated by a control plane that does not know whether its answer arrived.
        if entries[assignment.attempt]?.held.lease == assignment.lease { return [] }
        if isStopping { return [.decline(assignment, why: "the agent is stopping")] }
        guard entries[assignment.attempt] == nil, entries.count < slots else {
            return [.decline(assignment, why: "no slot is free")]
        }
        let held = AgentAPI.HeldLease(lease: assignment.lease, attempt: assignment.attempt, fencing: assignment.fencing)
        entries[assignment.attempt] = Entry(held: held, deadline: received + .seconds(assignment.leaseSeconds))
        return [.start(assignment)]
    }

    private mutating func renew(_ lease: ID<Lease>, until deadline: Instant) {
        guard let attempt = entries.first(where: { $0.value.held.lease == lease })?.key else { return }
        if let now = entries[attempt]?.deadline, now < deadline { entries[attempt]?.deadline = deadline }
    }

    /// The control plane dropped a report under this lease.
    mutating func stale(_ lease: ID<Lease>) -> [AgentAction] {
        guard let attempt = entries.first(where: { $0.value.held.lease == lease })?.key else { return [] }
        return end(attempt, .leaseLost)
    }

    /// Ends an attempt once; a lost lease overrules any other reason, for it forbids to report.
    mutating func end(_ attempt: ID<Attempt>, _ reason: EndReason) -> [AgentAction] {
        guard let entry = entries[attempt], entry.ending == nil || (reason == .leaseLost && entry.ending != .leaseLost) else {
            return []
        }
        entries[attempt]?.ending = reason
        return [.end(attempt, reason)]
    }

    /// Every attempt whose lease has run out.
    mutating func lapse(at now: Instant) -> [AgentAction] {
        entries.filter { $0.value.deadline <= now }.keys.sorted().flatMap { end($0, .leaseLost) }
    }

    /// When the next lease runs out, of those still worked under.
    var nextLapse: Instant? { entries.values.filter { $0.ending != .leaseLost }.map(\.deadline).min() }

    /// Why the attempt was ended; `nil` while it is not.
    func ending(_ attempt: ID<Attempt>) -> EndReason? { entries[attempt]?.ending }

    mutating func finished(_ attempt: ID<Attempt>) { entries[attempt] = nil }

    /// Takes nothing from now on.
    mutating func stop() { isStopping = true }

    /// The grace of a stop is over.
    mutating func endAll() -> [AgentAction] { entries.keys.sorted().flatMap { end($0, .stopping) } }

    /// How long the next poll may be held, in seconds: a third of what the shortest lease has left, so
    /// that one lost poll does not cost the lease.
    func pollWait(at now: Instant) -> Double {
        let longest = AgentAPI.longestPoll.inSeconds
        guard let lapse = nextLapse else { return longest }
        return min(longest, max(0.5, (lapse - now).inSeconds / 3))
    }
}
