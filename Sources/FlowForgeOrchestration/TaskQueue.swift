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

    /// A task that can run now, and what its attempt has to take.
    struct Next {
        var task: TaskRow
        var run: RunRow
        var units: [LimitKey: Int]
    }

    /// The next task that can run now.
    mutating func next(pool: String, engines: [String]) throws -> Next? {
        if try session.tasks.isDue() { for tasks in try session.tasks.unparkDue() { wakes.add(tasks) } }
        while let task = try session.tasks.nextClaimable(pool: pool, engines: engines) {
            guard let run = try session.runs.find(task.run) else {
                throw StoreError.corrupt("task \(task.id) belongs to no run")
            }
            switch try look(at: task, of: run) {
            case .free(let units): return Next(task: task, run: run, units: units)
            case .obstacle(let obstacle):
                try session.tasks.park(task, on: obstacle)
                try passOn(task.allLimits, except: obstacle)
            }
        }
        return nil
    }

    private enum Look {
        case free(units: [LimitKey: Int])
        case obstacle(Parking)
    }

    private func look(at task: TaskRow, of run: RunRow) throws -> Look {
        if try session.flowPauses.find(run.flowReference) != nil { return .obstacle(.flow(run.flowReference)) }
        if let output = task.output, try session.attempts.isWritten(environment: task.environment, output: output) {
            return .obstacle(.output(environment: task.environment, output))
        }
        var taken: [LimitKey: Int] = [:]
        for (key, units) in task.allLimits.sorted(by: { $0.key < $1.key }) {
            guard let limit = try session.limits.find(key) else { continue }
            // What wants more than there is takes all of it; otherwise it would wait for ever, and all behind it.
            let needed = max(1, min(units, limit.slots))
            if limit.slots - limit.used < needed { return .obstacle(.limit(key)) }
            taken[key] = needed
        }
        return .free(units: taken)
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
