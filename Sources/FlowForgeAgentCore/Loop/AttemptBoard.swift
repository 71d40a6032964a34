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
///     (assigned) ─▶ working ─▶ ending(reason) ─▶ concluded ──outcome acknowledged──▶ (gone)
///                      └──────────────────────────▶┘
///
/// A concluded attempt takes no slot, but polls prolong its lease until the control plane has its
/// outcome: work that is done must not be given away while its report is on its way.
///
/// A lease's end is kept on the agent's own monotonic clock. Attempts go on past it, since a control
/// plane that is away gives nothing away and fencing keeps zombies from publishing; those of tasks that
/// must never run twice at once are ended (docs/decisions/0013).
struct AttemptBoard {
    typealias Instant = ContinuousClock.Instant

    private struct Entry {
        var held: AgentAPI.HeldLease
        var deadline: Instant
        var ending: EndReason?
        var stopsWhenCutOff = false
        var isConcluded = false
        /// The number of the event that tells its outcome, once that is on the disk.
        var outcome: Int64?
    }

    let slots: Int
    private var entries: [ID<Attempt>: Entry] = [:]
    /// Everything up to this number has been acknowledged.
    private var acknowledged: Int64 = 0
    /// By order of the control plane.
    private(set) var isDraining = false
    /// By order of the machine.
    private(set) var isStopping = false

    init(slots: Int) { self.slots = slots }

    /// Nothing is worked on.
    var isEmpty: Bool { count == 0 }
    /// Slots that are taken.
    var count: Int { entries.values.count { !$0.isConcluded } }
    var freeSlots: Int { isDraining || isStopping ? 0 : max(0, slots - count) }

    /// Leases to list in a poll. One that is lost is not ours to prolong.
    var leases: [AgentAPI.HeldLease] {
        entries.values.filter { $0.ending != .leaseLost }.map(\.held).sorted { $0.attempt < $1.attempt }
    }

    /// What the control plane may count on; `nil` while nothing new is taken.
    func offer(engines: [String]) -> AgentAPI.WorkOffer? {
        guard !isDraining, !isStopping else { return nil }
        return AgentAPI.WorkOffer(
            slots: slots, lostSlots: entries.values.count { $0.ending == .leaseLost && !$0.isConcluded }, engines: engines)
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

    /// Also what the answer to a report brings.
    mutating func assigned(_ assignment: AgentAPI.Assignment, received: Instant) -> [AgentAction] {
        // Repeated by a control plane that does not know whether its answer arrived.
        if entries[assignment.attempt]?.held.lease == assignment.lease { return [] }
        if isStopping { return [.decline(assignment, why: "the agent is stopping")] }
        guard entries[assignment.attempt] == nil, count < slots else {
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

    /// Ends an attempt once; a lost lease overrules any other reason, for it forbids to report. What is
    /// concluded has ended.
    mutating func end(_ attempt: ID<Attempt>, _ reason: EndReason) -> [AgentAction] {
        guard let entry = entries[attempt] else { return [] }
        if entry.isConcluded {
            guard reason == .leaseLost else { return [] }
            // Whoever still tries to write its outcome down has to see that nobody waits for it.
            entries[attempt]?.ending = .leaseLost
            if entry.outcome != nil { entries[attempt] = nil }
            return []
        }
        guard entry.ending == nil || (reason == .leaseLost && entry.ending != .leaseLost) else { return [] }
        entries[attempt]?.ending = reason
        return [.end(attempt, reason)]
    }

    /// The task of this attempt must not go on when its lease lapses.
    mutating func stopsWhenCutOff(_ attempt: ID<Attempt>) { entries[attempt]?.stopsWhenCutOff = true }

    /// Every attempt that must not outlive its lease and whose lease has run out.
    mutating func lapse(at now: Instant) -> [AgentAction] {
        entries.filter { $0.value.stopsWhenCutOff && !$0.value.isConcluded && $0.value.deadline <= now }.keys.sorted()
            .flatMap { end($0, .leaseLost) }
    }

    /// When the next lease runs out that polls prolong.
    var nextLapse: Instant? { entries.values.filter { $0.ending != .leaseLost }.map(\.deadline).min() }

    /// Why the attempt was ended; `nil` while it is not.
    func ending(_ attempt: ID<Attempt>) -> EndReason? { entries[attempt]?.ending }

    /// The processes of the attempt are gone: its slot is free.
    ///
    /// - Returns: whether a slot that the control plane does not count as leased is free by it.
    mutating func concluded(_ attempt: ID<Attempt>) -> Bool {
        entries[attempt]?.isConcluded = true
        guard entries[attempt]?.ending == .leaseLost else { return false }
        entries[attempt] = nil
        return true
    }

    /// The outcome is the spool's event `number`; without one there is nothing to wait for.
    mutating func told(_ attempt: ID<Attempt>, as number: Int64?) {
        entries[attempt]?.outcome = number
        if number == nil || (number ?? 0) <= acknowledged { entries[attempt] = nil }
    }

    /// The control plane has the spool's events up to `number`.
    mutating func acknowledged(_ number: Int64) {
        acknowledged = number
        entries = entries.filter { ($0.value.outcome ?? .max) > number }
    }

    /// Takes nothing from now on.
    mutating func stop() { isStopping = true }

    /// The grace of a stop is over.
    mutating func endAll() -> [AgentAction] { entries.keys.sorted().flatMap { end($0, .stopping) } }

    /// When the leases are to be prolonged, if no poll does it before: after a third of what the
    /// shortest has left, so that a lost poll or two do not cost it. Counted from `now`, in seconds.
    func renewalDelay(at now: Instant) -> Double? {
        nextLapse.map { min(8, max(0.5, ($0 - now).inSeconds / 3)) }
    }
}
