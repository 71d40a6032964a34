public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
internal import Synchronization

/// Where long polls wait for something to happen, so that nobody asks the database in a loop.
///
/// Whoever wants to wait takes a ``Ticket`` *before* it looks, looks, and waits on the ticket if there
/// was nothing: what happens in between is kept on the ticket. Wake-ups are sent after the commit
/// (`Session.whenCommitted`), so who is woken sees the change.
///
/// Of a pool's parked polls as many are woken as tasks became ready, not all of them. Each waiter is
/// one open request, so their number is bounded by the listener's connections.
public final class WakeUps: PoolWaking {
    enum Topic: Hashable, Sendable {
        /// A poll of an agent that would take tasks of these engines (none: no tasks, only what
        /// concerns the agent itself).
        case poll(agent: ID<Agent>, pool: String, engines: Set<String>)
        /// A newer version of the run.
        case run(ID<Run>)
        /// More lines in the run's log.
        case log(ID<Run>)
        /// Ticks to fire, or triggers that changed.
        case triggers
        /// Backfills that can go on.
        case backfills

        /// Somebody's request waits, not a loop of the control plane.
        var isOfRequest: Bool {
            switch self {
            case .poll, .run, .log: true
            case .triggers, .backfills: false
            }
        }
    }

    enum Signal: Sendable {
        /// What the topic is about has happened.
        case changed
        /// Of a poll: whoever made tasks ready has looked for it, and this is what to say.
        indirect case answer(PollAnswer)
        /// Something concerns this very agent: a cancellation, a new standing.
        case agent
        case timeout
        case cancelled
        /// The control plane shuts down.
        case draining
    }

    fileprivate struct Waiter {
        let topic: Topic
        var pending: Signal?
        var continuation: CheckedContinuation<Signal, Never>?
        /// A ready task for which this waiter alone was woken, until it has looked.
        var owed: ReadyTasks?
        /// Of a poll: how many tasks its agent could start.
        var free = 0
        /// Of a poll: looks for it in another's transaction.
        let look: Look?
        /// A transaction looks for it just now; what happens meanwhile waits for that to be settled.
        var isReserved = false
        /// Counts its waits, so that an alarm of an earlier one is known.
        var round: UInt64 = 0
        /// A ready task may be given to it.
        var takes: Bool { continuation != nil && !isReserved && free > 0 }
    }

    typealias Look = @Sendable (Session) throws -> PollAnswer
    /// Rings once, that long from now or a little later, on any thread.
    public typealias Alarm = @Sendable (_ after: Duration, _ ring: @escaping @Sendable () -> Void) -> Void

    fileprivate struct State {
        var last: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
        var byPool: [String: PoolWaiters] = [:]
        var byAgent: [ID<Agent>: Line] = [:]
        var byTopic: [Topic: Line] = [:]
        /// Polls that transactions look for just now.
        var reserved = 0
        var isDraining = false
    }

    /// Of those who wait for triggers.
    let attendance = Attendance()
    private let state = Mutex(State())
    private let alarm: Alarm

    /// A wait costs an alarm, not a task that sleeps: thousands of polls are held at a time.
    public init(alarm: @escaping Alarm = WakeUps.dispatchAlarm) { self.alarm = alarm }

    public static let dispatchAlarm: Alarm = { duration, ring in
        DispatchQueue.global().asyncAfter(deadline: .now() + duration.seconds, execute: ring)
    }

    /// Ends every wait, now and from now on. Called once, when the control plane shuts down.
    public func drain() {
        resume { state in
            state.isDraining = true
            return state.waiters.keys.sorted().compactMap { state.signal($0, .draining) }
        }
    }

    /// Tickets of requests, whether they wait at the moment or not.
    public var waiting: Int { state.withLock { $0.waiters.values.count { $0.topic.isOfRequest } } }

    /// Tickets that wait at the moment.
    var parked: Int { state.withLock { $0.waiters.values.count { $0.continuation != nil } } }

    /// An agent's standing has changed, or one of its attempts is to end.
    public func wake(agent: ID<Agent>) {
        resume { state in (state.byAgent[agent] ?? Line()).compactMap { state.signal($0, .agent) } }
    }

    /// There is something to say to whichever agent of the pool comes first: one that waits is woken, or
    /// those that are just looking look again. Walks over all who wait.
    public func wake(pool: String) {
        resume { state in
            let polls = state.waiters.filter {
                if case .poll(_, let place, _) = $0.value.topic { place == pool } else { false }
            }
            if let parked = polls.filter({ $0.value.continuation != nil && !$0.value.isReserved }).keys.min() {
                return state.signal(parked, .changed).map { [$0] } ?? []
            }
            return polls.keys.compactMap { state.signal($0, .changed) }
        }
    }

    public func wake(run: ID<Run>) { wake(topic: .run(run)) }

    public func wake(log: ID<Run>) { wake(topic: .log(log)) }

    public func wakeTriggers() { wake(topic: .triggers) }

    public func wakeBackfills() { wake(topic: .backfills) }

    private func wake(topic: Topic) {
        resume { state in (state.byTopic[topic] ?? Line()).compactMap { state.signal($0, .changed) } }
    }

    /// Wakes as many polls with room as there are tasks, and tells those that are just looking to look
    /// again. A task for which there is no room anywhere is found by the report that makes room.
    public func wake(ready tasks: ReadyTasks) {
        resume { state in
            for id in state.byPool[tasks.pool]?.looking ?? Line() where state.takes(id, tasks.engine) {
                _ = state.signal(id, .changed)
            }
            var chosen: [UInt64] = []
            for id in state.byPool[tasks.pool]?.takers ?? Line() {
                if chosen.count >= tasks.count { break }
                if state.takes(id, tasks.engine) { chosen.append(id) }
            }
            return chosen.compactMap { id in
                state.waiters[id]?.owed = ReadyTasks(pool: tasks.pool, engine: tasks.engine, count: 1)
                return state.signal(id, .changed)
            }
        }
    }

    /// The most polls that are being answered by transactions of others: their claims hold up the writer.
    private static let mostReserved = 8

    /// Claims ready tasks for polls that wait, in the transaction that made them ready: that saves those
    /// polls a look of their own, and the tasks a commit. Takes what it gave from `ready`; of the rest
    /// ``wake(ready:)`` is to be told after the commit.
    func handOut(_ ready: inout [ReadyTasks], in session: Session) throws {
        for index in ready.indices {
            while ready[index].count > 0, let (id, look) = reserve(ready[index]) {
                session.whenUndone { self.settle(id, nil) }
                switch try session.part({ try look(session) }) {
                case .success(let answer):
                    session.whenCommitted { self.settle(id, answer) }
                    for other in ready.indices where ready[other].pool == ready[index].pool {
                        ready[other].count -= answer.given[ready[other].engine] ?? 0
                    }
                    // Who has room left has found nothing more that its engines can do.
                    if answer.free > 0 { ready[index].count = 0 }
                case .failure:
                    // It looks itself, and says why there is nothing for it.
                    session.whenCommitted {
                        self.signal(id, .changed)
                        self.settle(id, nil)
                    }
                }
            }
        }
        ready.removeAll { $0.count <= 0 }
    }

    private func reserve(_ tasks: ReadyTasks) -> (UInt64, Look)? {
        state.withLock { state in
            guard state.reserved < Self.mostReserved else { return nil }
            for id in state.byPool[tasks.pool]?.takers ?? Line() where state.takes(id, tasks.engine) {
                guard let look = state.waiters[id]?.look else { continue }
                state.waiters[id]?.isReserved = true
                state.reserved += 1
                state.file(id)
                return (id, look)
            }
            return nil
        }
    }

    /// The transaction that looked for the poll is durable, or undone (then without an answer).
    private func settle(_ id: UInt64, _ answer: PollAnswer?) {
        resume { state in
            state.reserved -= 1
            guard var waiter = state.waiters[id] else { return [] }
            waiter.isReserved = false
            if let answer { waiter.free = answer.free }
            let missed = waiter.pending
            waiter.pending = nil
            state.waiters[id] = waiter
            state.file(id)
            guard let signal = answer.flatMap({ $0.isNews ? .answer($0) : nil }) ?? missed else { return [] }
            return state.signal(id, signal).map { [$0] } ?? []
        }
    }

    /// The agent can start so many tasks more, by what it has reported.
    func setFree(_ slots: Int, of agent: ID<Agent>) {
        state.withLock { state in
            for id in state.byAgent[agent] ?? Line() {
                guard state.waiters[id]?.continuation != nil else {
                    // It has looked, or is looking, at what was before: it looks again.
                    if slots > 0 { _ = state.signal(id, .changed) }
                    continue
                }
                state.waiters[id]?.free = slots
                state.file(id)
            }
        }
    }

    /// Continuations are resumed outside the lock.
    private func resume(_ change: (inout sending State) -> [Resumption]) {
        for resumption in state.withLock({ change(&$0) }) { resumption.continuation.resume(returning: resumption.signal) }
    }

    fileprivate struct Resumption: Sendable {
        let continuation: CheckedContinuation<Signal, Never>
        let signal: Signal
    }

    /// - Parameter look: of a poll, whose tasks another's transaction may claim for it while it waits.
    func ticket(_ topic: Topic, look: Look? = nil) -> Ticket {
        let id = state.withLock { state in
            state.last += 1
            state.waiters[state.last] = Waiter(topic: topic, look: look)
            switch topic {
            case .poll(let agent, _, _):
                state.byAgent[agent, default: Line()].insert(state.last)
                state.file(state.last)
            case .run, .log, .triggers, .backfills: state.byTopic[topic, default: Line()].insert(state.last)
            }
            return state.last
        }
        return Ticket(wakeUps: self, id: id)
    }

    /// A place to wait at. Whoever took it must ``close()`` it.
    struct Ticket: Sendable {
        fileprivate let wakeUps: WakeUps
        fileprivate let id: UInt64

        /// Returns what happened since the ticket was taken or last waited on, or waits up to
        /// `duration` for it. Ends at once when the calling task is cancelled.
        func wait(upTo duration: Duration) async -> Signal { await wakeUps.wait(id, upTo: duration) }

        /// The holder of a poll's ticket has looked since it was woken; its agent has `free` slots left.
        /// If it `had` none when it looked, or filled them with tasks for other engines (`given`) than it
        /// was woken for, another is woken in its place.
        func looked(free: Int, had: Bool, given: [String: Int] = [:]) {
            wakeUps.looked(id, free: free, had: had, given: given)
        }

        /// If the holder was woken for a ready task and never looked, another is woken in its place.
        func close() { wakeUps.close(id) }

        /// Ends the wait, now or when it begins.
        func cancel() { wakeUps.signal(id, .cancelled) }
    }

    private func wait(_ id: UInt64, upTo duration: Duration) async -> Signal {
        await withTaskCancellationHandler {
            await withCheckedContinuation { park(id, $0, upTo: duration) }
        } onCancel: {
            signal(id, .cancelled)
        }
    }

    private func park(_ id: UInt64, _ continuation: CheckedContinuation<Signal, Never>, upTo duration: Duration) {
        enum Next { case resume(Signal), wait(round: UInt64) }
        let next: Next = state.withLock { state in
            if state.isDraining { return .resume(.draining) }
            guard let waiter = state.waiters[id] else { return .resume(.cancelled) }
            if let pending = waiter.pending {
                state.waiters[id]?.pending = nil
                return .resume(pending)
            }
            state.waiters[id]?.continuation = continuation
            state.waiters[id]?.round += 1
            state.file(id)
            return .wait(round: waiter.round + 1)
        }
        switch next {
        case .resume(let signal): continuation.resume(returning: signal)
        case .wait(let round): alarm(duration) { self.timeOut(id, round) }
        }
    }

    private func timeOut(_ id: UInt64, _ round: UInt64) {
        resume { state in
            guard let waiter = state.waiters[id], waiter.round == round, waiter.continuation != nil else { return [] }
            return state.signal(id, .timeout).map { [$0] } ?? []
        }
    }

    private func signal(_ id: UInt64, _ signal: Signal) {
        resume { state in state.signal(id, signal).map { [$0] } ?? [] }
    }

    private func looked(_ id: UInt64, free: Int, had: Bool, given: [String: Int]) {
        let owed: ReadyTasks? = state.withLock { state in
            defer { state.waiters[id]?.owed = nil }
            state.waiters[id]?.free = free
            guard let owed = state.waiters[id]?.owed else { return nil }
            return had && (free > 0 || given[owed.engine] != nil) ? nil : owed
        }
        if let owed { wake(ready: owed) }
    }

    private func close(_ id: UInt64) {
        let owed: ReadyTasks? = state.withLock { state in
            guard let waiter = state.waiters.removeValue(forKey: id) else { return nil }
            switch waiter.topic {
            case .poll(let agent, let pool, _):
                state.byPool[pool]?.looking.remove(id)
                state.byPool[pool]?.takers.remove(id)
                state.byAgent[agent]?.remove(id)
                if state.byPool[pool]?.isEmpty == true { state.byPool[pool] = nil }
                if state.byAgent[agent]?.isEmpty == true { state.byAgent[agent] = nil }
            case .run, .log, .triggers, .backfills:
                state.byTopic[waiter.topic]?.remove(id)
                if state.byTopic[waiter.topic]?.isEmpty == true { state.byTopic[waiter.topic] = nil }
            }
            return waiter.owed
        }
        if let owed { wake(ready: owed) }
    }
}

extension WakeUps.State {
    fileprivate func takes(_ id: UInt64, _ engine: String) -> Bool {
        guard case .poll(_, _, let engines)? = waiters[id]?.topic else { return false }
        return engines.contains(engine)
    }

    /// Puts a poll where a ready task finds it, or does not.
    fileprivate mutating func file(_ id: UInt64) {
        guard let waiter = waiters[id], case .poll(_, let pool, let engines) = waiter.topic, !engines.isEmpty else { return }
        let isParked = waiter.continuation != nil
        // Taken out while it changes: two holders would copy it.
        var waiters = byPool.removeValue(forKey: pool) ?? WakeUps.PoolWaiters()
        if isParked, !waiter.isReserved { waiters.looking.remove(id) } else { waiters.looking.insert(id) }
        if waiter.takes { waiters.takers.insert(id) } else { waiters.takers.remove(id) }
        if !waiters.isEmpty { byPool[pool] = waiters }
    }

    /// Hands `signal` to a waiter: to be resumed now if it is parked, else kept on its ticket. Of
    /// several that it missed the weightiest is kept.
    fileprivate mutating func signal(_ id: UInt64, _ signal: WakeUps.Signal) -> WakeUps.Resumption? {
        guard var waiter = waiters[id] else { return nil }
        defer {
            waiters[id] = waiter
            file(id)
        }
        if let continuation = waiter.continuation, !waiter.isReserved {
            waiter.continuation = nil
            return WakeUps.Resumption(continuation: continuation, signal: signal)
        }
        if signal.weight > (waiter.pending?.weight ?? -1) { waiter.pending = signal }
        return nil
    }
}

extension WakeUps.Signal {
    fileprivate var weight: Int {
        switch self {
        case .timeout: 0
        case .changed: 1
        case .agent: 2
        case .cancelled: 3
        case .draining: 4
        case .answer: 5
        }
    }
}
