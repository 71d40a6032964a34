internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What follows from an attempt's end, wherever that end came from: the task finishes or goes back to
/// the queue, what waits behind it is readied or skipped, and the run ends with its last task.
///
/// A value of one transaction; ``wakes`` are sent by the caller when all is done.
struct RunStager {
    let session: Session
    let toleratedLosses: Int
    var wakes = Wakes()

    init(session: Session, toleratedLosses: Int) {
        self.session = session
        self.toleratedLosses = toleratedLosses
    }

    /// The attempt's row has been ended by the caller, in the same transaction.
    mutating func attemptEnded(_ end: TaskLifecycle.AttemptEnd, task: TaskRow, run: RunRow) throws {
        var lifecycle = task.lifecycle
        let consequence = lifecycle.attemptEnded(
            end, isCancelling: run.state == .cancelling, retry: task.retry, toleratedLosses: toleratedLosses)
        wakes.runs.insert(run.id)
        switch consequence {
        case .requeue(let seconds):
            try session.tasks.move(task, to: lifecycle, readyAt: session.now.addingTimeInterval(seconds))
            if seconds == 0 { wakes.ready(task) }
        case .finish, .failLost:
            try session.tasks.move(task, to: lifecycle)
            if lifecycle.state == .succeeded { try readyDownstream(of: task) } else { try skipDownstream(of: task) }
        }
        if let output = task.output {
            // One of them can have it next, however many wait.
            for tasks in try session.tasks.ready(environment: task.environment, output: output) {
                wakes.add(ReadyTasks(pool: tasks.pool, engine: tasks.engine, count: 1))
            }
        }
        if lifecycle.state.isFinal { try settle(run) }
    }

    private mutating func readyDownstream(of task: TaskRow) throws {
        for next in try session.tasks.unblocked(by: task.id) {
            var lifecycle = next.lifecycle
            guard lifecycle.upstreamSucceeded() else { continue }
            try session.tasks.move(next, to: lifecycle, readyAt: session.now)
            wakes.ready(next)
        }
    }

    private func skipDownstream(of task: TaskRow) throws {
        for next in try session.tasks.waitingBehind(task.id) {
            var lifecycle = next.lifecycle
            guard lifecycle.upstreamFailed() else { continue }
            try session.tasks.move(next, to: lifecycle)
        }
    }

    /// An attempt at one of the run's tasks has started; the first makes it `running`.
    mutating func attemptStarted(run: inout RunRow) throws {
        var lifecycle = run.lifecycle
        if lifecycle.attemptStarted() {
            try session.runs.move(run.id, from: run.state, to: lifecycle.state)
            run.state = lifecycle.state
        }
        wakes.runs.insert(run.id)
    }

    /// Ends the run if none of its tasks is open. `run.state` must be what is stored.
    mutating func settle(_ run: RunRow) throws {
        var lifecycle = run.lifecycle
        guard let final = lifecycle.settle(tasks: try session.tasks.states(run: run.id)) else { return }
        try session.runs.move(run.id, from: run.state, to: final)
        try session.audit.append(
            actor: .system("orchestration"), action: "run.finish", subject: run.id.description,
            detail: ["state": .string(final.rawValue)])
        wakes.runs.insert(run.id)
    }
}
