import FlowForgeDomain
import FlowForgeProtocol
import Testing

@Suite struct AttemptLifecycleTests {
    private let claim = LeaseClaim(lease: .make(), fencing: 7, agent: .make())

    private func attempt(_ state: AttemptState) -> AttemptLifecycle { AttemptLifecycle(state: state, claim: claim) }

    @Test func `an attempt starts once and ends once`() {
        var attempt = attempt(.leased)
        #expect(attempt.started(under: claim) == .moved)
        #expect(attempt.started(under: claim) == .unchanged)
        #expect(attempt.finished(.succeeded, under: claim) == .moved)
        #expect(attempt.state == .succeeded)
        #expect(attempt.finished(.failed, under: claim) == .rejectStaleLease)
        #expect(attempt.state == .succeeded)
    }

    @Test func `another lease, fencing number or agent is rejected`() {
        var attempt = attempt(.running)
        var others = [claim, claim, claim]
        others[0].lease = .make()
        others[1].fencing += 1
        others[2].agent = .make()
        for other in others {
            #expect(attempt.finished(.succeeded, under: other) == .rejectStaleLease)
            #expect(attempt.started(under: other) == .rejectStaleLease)
        }
        #expect(attempt.state == .running)
    }

    @Test func `a lost attempt stays lost`() {
        var attempt = attempt(.running)
        #expect(attempt.leaseLapsed() == .moved)
        #expect(attempt.finished(.succeeded, under: claim) == .rejectStaleLease)
        #expect(attempt.leaseLapsed() == .unchanged)
        #expect(attempt.state == .lost)
    }

    @Test(arguments: Outcome.allCases)
    func `every outcome ends an attempt`(outcome: Outcome) {
        var attempt = attempt(.leased)
        #expect(attempt.finished(outcome, under: claim) == .moved)
        #expect(attempt.state.isFinal)
        #expect(outcome != .unknown || attempt.state == .failed)
    }
}

@Suite struct TaskLifecycleTests {
    private let retry = RetryPolicy(retries: 1, delaySeconds: 3)
    private let curable = TaskError(code: "exit_code", message: "1", retryable: true)

    private func end(
        _ task: inout TaskLifecycle, _ end: TaskLifecycle.AttemptEnd, isCancelling: Bool = false
    ) -> TaskLifecycle.Consequence {
        task.attemptEnded(end, isCancelling: isCancelling, retry: retry, toleratedLosses: 3)
    }

    @Test func `a task is claimed by one only`() {
        var task = TaskLifecycle(state: .ready)
        #expect(task.claimed() == true)
        #expect(task.claimed() == false)
        #expect(task.started() == true)
        #expect(task.state == .running)
    }

    @Test(arguments: TaskState.allCases.filter { $0 != .ready })
    func `only a ready task can be claimed`(state: TaskState) {
        var task = TaskLifecycle(state: state)
        #expect(task.claimed() == false)
        #expect(task.state == state)
    }

    @Test func `a failure that may be cured is tried again, then no more`() {
        var task = TaskLifecycle(state: .running)
        #expect(end(&task, .reported(.failed, curable)) == .requeue(afterSeconds: 3))
        #expect(task.state == .ready && task.failures == 1)
        #expect(end(&task, .reported(.failed, curable)) == .finish(.failed))
        #expect(task.state == .failed)
    }

    @Test func `three losses are borne, the fourth fails the task`() {
        var task = TaskLifecycle(state: .leased)
        for _ in 0..<3 { #expect(end(&task, .lost) == .requeue(afterSeconds: 0)) }
        #expect(end(&task, .lost) == .failLost)
        #expect(task.state == .failed)
        #expect(task.failures == 0, "a loss is no failure of the task and takes no retry")
    }

    @Test func `nothing is tried again in a run that is being cancelled`() {
        for (ended, state) in [
            (TaskLifecycle.AttemptEnd.lost, TaskState.cancelled), (.reported(.cancelled, nil), .cancelled),
            (.reported(.failed, curable), .failed), (.reported(.succeeded, nil), .succeeded),
        ] {
            var task = TaskLifecycle(state: .running)
            #expect(end(&task, ended, isCancelling: true) == .finish(state))
            #expect(task.state == state)
        }
    }

    @Test func `an agent that gives a task up of its own accord gives it back`() {
        var task = TaskLifecycle(state: .running)
        #expect(end(&task, .reported(.cancelled, nil)) == .requeue(afterSeconds: 0))
    }

    @Test(arguments: TaskState.allCases)
    func `cancelling ends what nobody works on and asks for the rest`(state: TaskState) {
        var task = TaskLifecycle(state: state)
        let expected: TaskLifecycle.Cancellation =
            switch state {
            case .waiting, .ready: .cancelled
            case .leased, .running: .endAttempt
            case .succeeded, .failed, .cancelled, .skipped, .unknown: .nothing
            }
        #expect(task.cancel() == expected)
        #expect(task.state == (expected == .cancelled ? .cancelled : state))
    }

    @Test func `a task that waits is readied or skipped by what it waits for`() {
        var (first, second) = (TaskLifecycle(state: .waiting), TaskLifecycle(state: .waiting))
        #expect(first.upstreamSucceeded() == true)
        #expect(first.state == .ready)
        #expect(second.upstreamFailed() == true)
        #expect(second.state == .skipped)
        #expect(second.upstreamSucceeded() == false)
    }
}

@Suite struct RunLifecycleTests {
    @Test func `a run ends with its last task`() {
        var run = RunLifecycle(state: .running)
        #expect(run.settle(open: 1, unsuccessful: 0) == nil)
        #expect(run.settle(open: 0, unsuccessful: 0) == .succeeded)
        #expect(run.settle(open: 0, unsuccessful: 0) == nil, "it ends once")
    }

    @Test func `a run with a failed and a skipped task has failed`() {
        var run = RunLifecycle(state: .running)
        #expect(run.settle(open: 0, unsuccessful: 2) == .failed)
    }

    @Test func `a run that is being cancelled ends cancelled, whatever its last task did`() {
        var run = RunLifecycle(state: .queued)
        #expect(run.end(.cancelled) == true)
        #expect(run.end(.cancelled) == false)
        #expect(run.attemptStarted() == false)
        #expect(run.settle(open: 1, unsuccessful: 0) == nil)
        #expect(run.settle(open: 0, unsuccessful: 0) == .cancelled)
    }

    @Test func `a run whose time is over ends failed, whatever its last task did`() {
        var run = RunLifecycle(state: .running)
        #expect(run.end(.timeout) == true)
        #expect(run.end(.cancelled) == false && run.endReason == .timeout, "the first reason stands")
        #expect(run.settle(open: 0, unsuccessful: 0) == .failed)
    }

    @Test(arguments: RunState.allCases.filter(\.isFinal))
    func `a final run stays as it is`(state: RunState) {
        var run = RunLifecycle(state: state)
        #expect(run.end(.cancelled) == false)
        #expect(run.attemptStarted() == false)
        #expect(run.settle(open: 0, unsuccessful: 1) == nil)
        #expect(run.state == state)
    }

    @Test func `only the first start makes it running`() {
        var run = RunLifecycle(state: .queued)
        #expect(run.attemptStarted() == true)
        #expect(run.attemptStarted() == false)
    }
}
