internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What follows from an attempt's end, wherever that end came from: the task finishes or goes back to
/// the queue, what waits behind it is readied or skipped, and the run ends with its last task; then the
/// next run of its flow may go on.
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
            end, isCancelling: run.state == .cancelling, retry: task.retry, toleratedLosses: toleratedLosses,
            draw: RetryPolicy.draw(task: task.id, failures: task.failures + 1))
        wakes.runs.insert(run.id)
        switch consequence {
        case .requeue(let seconds):
            try session.tasks.move(task, to: lifecycle, readyAt: session.now.addingTimeInterval(seconds))
            if seconds == 0 { wakes.ready(task) }
        case .finish, .failLost:
            try session.tasks.move(task, to: lifecycle)
            if lifecycle.state == .succeeded { try readyDownstream(of: task) } else { try skipDownstream(of: task) }
        }
        var queue = TaskQueue(session: session, wakes: wakes)
        try queue.gaveBack(task)
        wakes = queue.wakes
        if lifecycle.state.isFinal { try settle(run) }
    }

    private mutating func readyDownstream(of task: TaskRow) throws {
        try ready(session.tasks.unblock(by: task.id))
    }

    private mutating func ready(_ tasks: [TaskRow]) throws {
        for task in tasks {
            var lifecycle = task.lifecycle
            guard lifecycle.upstreamSucceeded() else { continue }
            try session.tasks.move(task, to: lifecycle, readyAt: session.now)
            wakes.ready(task)
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
            try session.runs.move(run, to: lifecycle)
            run.state = lifecycle.state
        }
        wakes.runs.insert(run.id)
    }

    /// Ends a run before its tasks are done: those that nobody works on are cancelled now, the agents of
    /// the others are told. `false` when it is final or being ended already.
    mutating func end(_ run: inout RunRow, _ reason: RunEndReason, by actor: Actor) throws -> Bool {
        var lifecycle = run.lifecycle
        guard lifecycle.end(reason) else { return false }
        try session.runs.move(run, to: lifecycle)
        (run.state, run.endReason) = (lifecycle.state, lifecycle.endReason)
        try session.audit.append(
            actor: actor, action: "run.cancel", subject: run.id.description, detail: ["reason": .string(reason.rawValue)])
        var left: Set<Parking> = []
        for task in try session.tasks.list(run: run.id) {
            var lifecycle = task.lifecycle
            switch lifecycle.cancel() {
            case .cancelled:
                try session.tasks.move(task, to: lifecycle)
                if task.state == .ready { left.formUnion(task.competesFor) }
            case .endAttempt:
                if let attempt = try session.attempts.live(task: task.id) { wakes.agents.insert(attempt.claim.agent) }
            case .nothing: break
            }
        }
        // A task that was let go on in the place of others, and nobody has claimed.
        var queue = TaskQueue(session: session, wakes: wakes)
        for parking in left.sorted() { try queue.release(parking) }
        wakes = queue.wakes
        wakes.runs.insert(run.id)
        try settle(run)
        return true
    }

    /// Ends the run if none of its tasks is open. `run.state` must be what is stored.
    private mutating func settle(_ run: RunRow) throws {
        var lifecycle = run.lifecycle
        let counts = try session.runs.taskCounts(run.id)
        guard let final = lifecycle.settle(open: counts.open, unsuccessful: counts.unsuccessful) else { return }
        try session.runs.move(run, to: lifecycle)
        try session.audit.append(
            actor: .system("orchestration"), action: "run.finish", subject: run.id.description,
            detail: ["state": .string(final.rawValue)])
        wakes.runs.insert(run.id)
        var events = TriggerEvents(session: session)
        try events.ended(run, as: final)
        if final == .cancelled { try events.cancelled(run) }
        if try session.ticks.release(waitingFor: run.flowReference) { wakes.triggers = true }
        if events.noted { wakes.triggers = true }
        if run.origin.backfill != nil { wakes.backfills = true }
        try admit(run.flowReference)
    }

    /// Lets runs of the flow go on that waited for others, as many as each of them allows.
    mutating func admit(_ flow: FlowReference) throws {
        while let next = try session.runs.nextToAdmit(flow) {
            if let most = next.maxRuns, try session.runs.admitted(flow) >= most { return }
            try session.runs.admit(next.id)
            try ready(session.tasks.roots(run: next.id))
            wakes.runs.insert(next.id)
        }
    }
}
