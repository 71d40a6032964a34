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
    var wakes: Wakes

    init(session: Session, wakes: Wakes = Wakes()) {
        self.session = session
        self.wakes = wakes
    }

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
            // It may be anybody's: those who wait for a limit are not asked whose it is.
            guard let run = try session.asPlatform({ try session.runs.find(task.run) }) else {
                throw StoreError.corrupt("task \(task.id) belongs to no run")
            }
            switch try look(at: task, of: run) {
            case .free(let units): return Next(task: task, run: run, units: units)
            case .obstacle(let obstacle):
                try session.tasks.park(task, on: obstacle)
                try gaveBack(task, except: obstacle)
            }
        }
        return nil
    }

    private enum Look {
        case free(units: [LimitKey: Int])
        case obstacle(Parking)
    }

    private func look(at task: TaskRow, of run: RunRow) throws -> Look {
        if try session.flowPauses.isPaused(run.flowReference) { return .obstacle(.flow(run.flowReference)) }
        if let output = task.output, try session.attempts.isWritten(environment: task.environment, output: output) {
            return .obstacle(.output(environment: task.environment, output))
        }
        var taken: [LimitKey: Int] = [:]
        for (key, units) in task.allLimits.sorted(by: { $0.key < $1.key }) {
            guard let limit = try session.limits.find(key) else { continue }
            // What wants more than there is takes all of it; otherwise it would wait for ever, and all behind it.
            let needed = max(1, min(units, limit.slots))
            if limit.free < needed { return .obstacle(.limit(key)) }
            // One that needs more than is free now is not overtaken until it gets nothing.
            if try session.tasks.isOvertaking(task, on: .limit(key)) { return .obstacle(.limit(key)) }
            taken[key] = needed
        }
        return .free(units: taken)
    }

    /// What `task` held, or was first in line for, is there for others: an attempt at it has ended, or it
    /// waits for something else now.
    mutating func gaveBack(_ task: TaskRow, except obstacle: Parking? = nil) throws {
        for parking in task.competesFor where parking != obstacle { try release(parking) }
    }

    /// Lets go on those that wait for `parking` as far as there is room for them: of each pool and engine
    /// as many as fit, since nobody knows which of them an agent will ask for first.
    ///
    /// - Parameter idle: only those of a pool and engine of which nothing else can be claimed.
    /// - Returns: how many.
    @discardableResult
    mutating func release(_ parking: Parking, idle: Bool = false) throws -> Int {
        var lines = try session.tasks.lines(before: parking)
        if idle {
            lines = try lines.filter { try session.tasks.nextClaimable(pool: $0.pool, engines: [$0.engine]) == nil }
        }
        guard !lines.isEmpty, let room = try room(for: parking) else { return 0 }
        var released = 0
        for line in lines {
            let count = try session.tasks.unpark(parking, of: line, room: room)
            if count > 0 { wakes.add(ReadyTasks(pool: line.pool, engine: line.engine, count: count)) }
            released += count
        }
        return released
    }

    /// `nil` where none of those that wait can go on.
    private func room(for parking: Parking) throws -> TaskQueries.Room? {
        switch parking {
        case .delay: return nil
        case .output(let environment, let asset):
            return try session.attempts.isWritten(environment: environment, output: asset) ? nil : .tasks(1)
        case .flow(let flow): return try session.flowPauses.isPaused(flow) ? nil : .tasks(.max)
        case .limit(let key):
            guard let limit = try session.limits.find(key) else { return .tasks(.max) }
            return limit.free > 0 ? .units(limit) : nil
        }
    }
}
