internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// The ready tasks of a pool, in one transaction: who may have which next, and who waits for what.
///
/// A task that cannot run now is parked on the first thing that it waits for, and looked at again when
/// that is there; so a claim costs the same however many tasks wait.
struct TaskQueue {
    let session: Session
    var wakes = Wakes()

    init(session: Session) { self.session = session }

    /// The next task that can run now.
    mutating func next(pool: String, engines: [String]) throws -> (task: TaskRow, run: RunRow)? {
        if try session.tasks.isDue() { for tasks in try session.tasks.unparkDue() { wakes.add(tasks) } }
        while let task = try session.tasks.nextClaimable(pool: pool, engines: engines) {
            guard let run = try session.runs.find(task.run) else {
                throw StoreError.corrupt("task \(task.id) belongs to no run")
            }
            guard let obstacle = try obstacle(to: task, of: run) else { return (task, run) }
            try session.tasks.park(task, on: obstacle)
            try passOn(task.allLimits, except: obstacle)
        }
        return nil
    }

    private func obstacle(to task: TaskRow, of run: RunRow) throws -> Parking? {
        if try session.flowPauses.find(run.flowReference) != nil { return .flow(run.flowReference) }
        if let output = task.output, try session.attempts.isWritten(environment: task.environment, output: output) {
            return .output(environment: task.environment, output)
        }
        for (key, units) in task.allLimits.sorted(by: { $0.key < $1.key }) {
            if let free = try session.limits.free(key), free < units { return .limit(key) }
        }
        return nil
    }

    /// Who waits for something that `task` left behind may have it.
    private mutating func passOn(_ limits: [LimitKey: Int], except obstacle: Parking) throws {
        for key in limits.keys.sorted() where .limit(key) != obstacle { try release(.limit(key)) }
    }

    /// An attempt at the task has ended: what it held is there for others.
    mutating func gaveBack(_ task: TaskRow) throws {
        if let output = task.output { try release(.output(environment: task.environment, output)) }
        for key in task.allLimits.keys.sorted() { try release(.limit(key)) }
    }

    /// Lets go on as many of those that wait for `parking` as there is room for.
    ///
    /// - Returns: how many.
    @discardableResult
    mutating func release(_ parking: Parking) throws -> Int {
        guard try session.tasks.isWaited(for: parking) else { return 0 }
        let room: Int
        switch parking {
        case .delay: return 0
        case .output(let environment, let asset):
            room = try session.attempts.isWritten(environment: environment, output: asset) ? 0 : 1
        case .flow(let flow): room = try session.flowPauses.find(flow) == nil ? .max : 0
        case .limit(let key): room = try session.limits.free(key) ?? .max
        }
        guard room > 0 else { return 0 }
        let released = try session.tasks.unpark(parking, limit: room)
        for tasks in released { wakes.add(tasks) }
        return released.reduce(0) { $0 + $1.count }
    }
}
