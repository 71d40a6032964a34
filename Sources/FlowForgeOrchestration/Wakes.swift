internal import FlowForgeProtocol
internal import FlowForgeStore

/// Whom a transaction will wake once it is durable.
struct Wakes: Sendable {
    var runs: Set<ID<Run>> = []
    var logs: Set<ID<Run>> = []
    var agents: Set<ID<Agent>> = []
    var ready: [ReadyTasks] = []
    /// How many tasks each of these agents can start now.
    var free: [ID<Agent>: Int] = [:]
    var triggers = false
    var backfills = false

    /// Gives each changed run a newer version, hands out what polls wait for, and wakes everybody else
    /// after the commit. The last that an operation does to its runs.
    func send(through wakeUps: WakeUps, in session: Session) throws {
        for run in runs.sorted() { try session.runs.touch(run) }
        var ready = ready
        try wakeUps.handOut(&ready, in: session)
        session.whenCommitted { [self, ready] in
            for (agent, slots) in free.sorted(by: { $0.key < $1.key }) { wakeUps.setFree(slots, of: agent) }
            for tasks in ready { wakeUps.wake(ready: tasks) }
            for agent in agents.sorted() { wakeUps.wake(agent: agent) }
            for run in runs.sorted() { wakeUps.wake(run: run) }
            for run in logs.union(runs).sorted() { wakeUps.wake(log: run) }
            if triggers { wakeUps.wakeTriggers() }
            if backfills { wakeUps.wakeBackfills() }
        }
    }

    mutating func ready(_ task: TaskRow) { add(ReadyTasks(pool: task.pool, engine: task.engine, count: 1)) }

    /// One of those that became ready has been handed out by the same transaction.
    mutating func taken(_ task: TaskRow) {
        guard let index = ready.firstIndex(where: { $0.pool == task.pool && $0.engine == task.engine }) else { return }
        ready[index].count -= 1
        if ready[index].count == 0 { ready.remove(at: index) }
    }

    mutating func add(_ tasks: ReadyTasks) {
        if let index = ready.firstIndex(where: { $0.pool == tasks.pool && $0.engine == tasks.engine }) {
            ready[index].count += tasks.count
        } else {
            ready.append(tasks)
        }
    }
}
