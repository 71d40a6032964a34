public import FlowForgeProtocol
public import FlowForgeStore
internal import Synchronization

/// Where long polls wait for something to happen, so that nobody asks the database in a loop.
///
/// Whoever wants to wait takes a ``Ticket`` *before* it looks, looks, and waits on the ticket if there
/// was nothing: what happens in between is kept on the ticket. Wake-ups are sent after the commit
/// (`Session.whenCommitted`), so who is woken sees the change.
///
/// Of a pool's parked polls as many are woken as tasks became ready, not all of them. Each waiter is
/// one open request, so their number is bounded by the listener's connections.
public final class WakeUps: Sendable {
    public enum Topic: Hashable, Sendable {
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

    public enum Signal: Hashable, Sendable {
        /// What the topic is about has happened.
        case changed
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
    }

    /// Waiters in the order in which they came: who gets a task depends on that, and not on hashing.
    fileprivate struct Line: Sequence {
        private var ids: [UInt64] = []
        var isEmpty: Bool { ids.isEmpty }

        /// Mostly at the end, since ids grow.
        mutating func insert(_ id: UInt64) {
            let place = place(of: id)
            if place == ids.count || ids[place] != id { ids.insert(id, at: place) }
        }

        mutating func remove(_ id: UInt64) {
            let place = place(of: id)
            if place < ids.count, ids[place] == id { ids.remove(at: place) }
        }

        /// Where it is, or belongs.
        private func place(of id: UInt64) -> Int {
            if ids.last.map({ $0 < id }) ?? true { return ids.count }
            var (low, high) = (0, ids.count)
            while low < high {
                let middle = (low + high) / 2
                if ids[middle] < id { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func makeIterator() -> IndexingIterator<[UInt64]> { ids.makeIterator() }
    }

    /// The polls of a pool that a ready task concerns.
    fileprivate struct PoolWaiters {
        /// Just now asking the database.
        var looking = Line()
        /// Parked, and their agents have room.
        var takers = Line()
        var isEmpty: Bool { looking.isEmpty && takers.isEmpty }
    }

    fileprivate struct State {
        var last: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
        var byPool: [String: PoolWaiters] = [:]
        var byAgent: [ID<Agent>: Line] = [:]
        var byTopic: [Topic: Line] = [:]
        var isDraining = false
    }

    /// Of those who wait for triggers.
    let attendance = Attendance()
    private let state = Mutex(State())
    private let clock: any Clock<Duration>

    public init(clock: any Clock<Duration> = ContinuousClock()) { self.clock = clock }

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

    public func ticket(_ topic: Topic) -> Ticket {
        let id = state.withLock { state in
            state.last += 1
            state.waiters[state.last] = Waiter(topic: topic)
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
    public struct Ticket: Sendable {
        fileprivate let wakeUps: WakeUps
        fileprivate let id: UInt64

        /// Returns what happened since the ticket was taken or last waited on, or waits up to
        /// `duration` for it. Ends at once when the calling task is cancelled.
        public func wait(upTo duration: Duration) async -> Signal { await wakeUps.wait(id, upTo: duration) }

        /// The holder of a poll's ticket has looked since it was woken; its agent has `free` slots left.
        /// If it `had` none when it looked, another is woken in its place.
        func looked(free: Int, had: Bool) { wakeUps.looked(id, free: free, had: had) }

        /// If the holder was woken for a ready task and never looked, another is woken in its place.
        public func close() { wakeUps.close(id) }
    }

    private func wait(_ id: UInt64, upTo duration: Duration) async -> Signal {
        let signal = await withTaskGroup(of: Void.self) { group in
            let clock = clock
            group.addTask {
                do {
                    try await clock.sleep(for: duration)
                    self.signal(id, .timeout)
                } catch {
                    // Cancelled: either something happened first, or the handler below says so.
                }
            }
            let signal = await withTaskCancellationHandler {
                await withCheckedContinuation { self.park(id, $0) }
            } onCancel: {
                self.signal(id, .cancelled)
            }
            group.cancelAll()
            return signal
        }
        // A timeout that came too late is none of the next wait.
        state.withLock { if $0.waiters[id]?.pending == .timeout { $0.waiters[id]?.pending = nil } }
        return signal
    }

    private func park(_ id: UInt64, _ continuation: CheckedContinuation<Signal, Never>) {
        let immediate: Signal? = state.withLock { state in
            if state.isDraining { return .draining }
            guard let waiter = state.waiters[id] else { return .cancelled }
            if let pending = waiter.pending {
                state.waiters[id]?.pending = nil
                return pending
            }
            state.waiters[id]?.continuation = continuation
            state.file(id)
            return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
    }

    private func signal(_ id: UInt64, _ signal: Signal) {
        resume { state in state.signal(id, signal).map { [$0] } ?? [] }
    }

    private func looked(_ id: UInt64, free: Int, had: Bool) {
        let owed: ReadyTasks? = state.withLock { state in
            defer { state.waiters[id]?.owed = nil }
            state.waiters[id]?.free = free
            return had ? nil : state.waiters[id]?.owed
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
        if isParked { waiters.looking.remove(id) } else { waiters.looking.insert(id) }
        if isParked, waiter.free > 0 { waiters.takers.insert(id) } else { waiters.takers.remove(id) }
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
        if let continuation = waiter.continuation {
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
        }
    }
}
