import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct FailureTests {
    @Test func `a failed task skips what waits for it and fails the run`() async throws {
        let plane = try await ControlPlane(medallion + [task("aside", output: "bronze.aside")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        for work in try await agent.poll(free: 2).assignments {
            let end = work.task == "aside" ? agent.success("bronze.aside") : agent.failure()
            try await agent.report(.started(.init(pid: 1)), .finished(end), of: work)
        }
        let seen = try await plane.run(run.id)
        #expect(seen.state(of: "aside") == .succeeded && seen.state(of: "ingest") == .failed)
        #expect(seen.state(of: "clean") == .skipped && seen.state(of: "sum") == .skipped)
        #expect(seen.state == .failed)
        #expect(seen.attempts(of: "ingest").first?.error?.code == "sql_error")
    }

    @Test func `a retryable failure is tried again after its delay, then given up`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one", retries: 1)])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let first = try await agent.take()
        try await agent.report(.finished(agent.failure("disk_full", retryable: true)), of: first)
        #expect(try await plane.run(run.id).state(of: "one") == .ready)
        #expect(try await agent.poll().assignments.isEmpty, "its delay is not over")
        plane.time.advance(10)
        let second = try await agent.take()
        #expect(second.number == 2 && second.runTime == first.runTime)
        try await agent.report(.finished(agent.failure("disk_full", retryable: true)), of: second)
        let seen = try await plane.run(run.id)
        #expect(seen.state == .failed && seen.attempts(of: "one").map(\.state) == [.failed, .failed])
    }

    @Test func `a timeout is tried again and a failed check is not`() async throws {
        let plane = try await ControlPlane([
            task("a", output: "bronze.a", retries: 3), task("b", output: "bronze.b", retries: 3),
        ])
        let agent = try await plane.agent()
        let run = try await plane.start()
        for work in try await agent.poll(free: 2).assignments {
            var end = agent.failure("check_failed")
            if work.task == "a" { end.outcome = .timedOut }
            try await agent.report(.finished(end), of: work)
        }
        #expect(try await plane.run(run.id).states == [.ready, .failed])
    }

    @Test func `the reaper wakes polls when a retry comes due`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one", retries: 1)])
        let agent = try await plane.agent()
        try await plane.start()
        try await agent.report(.finished(agent.failure("disk_full", retryable: true)), of: try await agent.take())
        try await plane.reaper.releaseDue()
        async let response = agent.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        plane.time.advance(10)
        try await plane.reaper.releaseDue()
        #expect(try await response.assignments.map(\.number) == [2])
    }

    @Test func `a sweep that fails is tried again after a pause, though a retry is due`() async throws {
        struct Planned: Error {}
        let fails = Mutex(false)
        let plane = try await ControlPlane(
            [task("one", output: "bronze.one", retries: 1)],
            fault: { if $0 == .beforeCommit, fails.withLock(\.self) { throw Planned() } })
        let agent = try await plane.agent()
        try await plane.start()
        try await agent.report(.finished(agent.failure("disk_full", retryable: true)), of: try await agent.take())
        plane.time.advance(10)
        fails.withLock { $0 = true }
        let clock = NapClock(most: 4)
        await plane.reaper(clock: clock).sweepUntilCancelled()
        let period = OrchestrationSettings().reaperPeriod
        // First it is due, then each attempt has failed.
        #expect(clock.naps == [.milliseconds(1), period, period, period])
    }

    @Test func `a claim that is never started comes back soon`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let lostAnswer = try await agent.take()
        plane.time.advance(16)
        #expect(try await plane.reaper.takeBack() == 1)
        #expect(try await plane.reaper.takeBack() == 0)
        let again = try await agent.take()
        #expect(again.number == 2 && again.fencing > lostAnswer.fencing)
        #expect(try await plane.audited("attempt.lose").count == 1)
    }

    @Test func `a task that loses its agent four times fails`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent("gone")
        let run = try await plane.start()
        for _ in 0..<4 {
            _ = try await agent.take()
            plane.time.advance(16)
            #expect(try await plane.reaper.takeBack() == 1)
        }
        let seen = try await plane.run(run.id)
        #expect(seen.state == .failed && seen.states == [.failed, .skipped, .skipped])
        #expect(seen.attempts(of: "ingest").map(\.state) == [.lost, .lost, .lost, .lost])
        #expect(seen.attempts(of: "ingest").last?.error?.code == "agent_lost")
        #expect(seen.attempts(of: "ingest").last?.error?.message.contains("gone") == true)
    }

    @Test func `a parked poll gets the task that another agent lost`() async throws {
        let plane = try await ControlPlane()
        let (gone, heir) = (try await plane.agent("gone"), try await plane.agent("heir"))
        try await plane.start()
        _ = try await gone.take()
        async let response = heir.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        plane.time.advance(16)
        _ = try await plane.reaper.takeBack()
        #expect(try await response.assignments.map(\.number) == [2])
    }

    @Test func `a queued run is cancelled at once, and cancelling again changes nothing`() async throws {
        let plane = try await ControlPlane()
        let run = try await plane.start()
        let cancelled = try await plane.starter.cancel(run.id, by: .principal("ada"))
        #expect(cancelled.state == .cancelled && cancelled.states == [.cancelled, .cancelled, .cancelled])
        let again = try await plane.starter.cancel(run.id, by: .principal("ada"))
        #expect(again.state == .cancelled && again.version == cancelled.version)
        #expect(try await plane.agent().poll().assignments.isEmpty)
        #expect(try await plane.audited("run.cancel").count == 1)
    }

    @Test func `a running task is ended by its agent, then the run is cancelled`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        async let parked = agent.poll(free: 0, leases: [work], wait: 25)
        try await plane.wakeUps.untilParked(1)
        let cancelling = try await plane.starter.cancel(run.id, by: .principal("ada"))
        #expect(cancelling.state == .cancelling && cancelling.states == [.running, .cancelled, .cancelled])
        let told = try await parked
        #expect(told.cancellations == [.init(attempt: work.attempt, lease: work.lease, reason: .runCancelled)])
        #expect(told.renewed.count == 1, "the lease lives until the end is reported")
        // Told again, but not in a hot loop: the poll is held a little.
        plane.time.advance(1)
        #expect(try await agent.poll(free: 0, leases: [work], wait: 25).cancellations.count == 1)
        try await agent.report(.finished(.init(outcome: .cancelled, metrics: TaskMetrics())), of: work)
        let seen = try await plane.run(run.id)
        #expect(seen.state == .cancelled && seen.state(of: "ingest") == .cancelled)
    }

    @Test func `a run whose agent is lost while it is being cancelled ends cancelled`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start()
        _ = try await agent.take()
        _ = try await plane.starter.cancel(run.id, by: .principal("ada"))
        plane.time.advance(16)
        _ = try await plane.reaper.takeBack()
        let seen = try await plane.run(run.id)
        #expect(seen.state == .cancelled && seen.states == [.cancelled, .cancelled, .cancelled])
        #expect(seen.attempts(of: "ingest").map(\.state) == [.lost])
    }

    @Test func `cancelling a run that is not there is refused`() async throws {
        let plane = try await ControlPlane()
        await #expect {
            try await plane.starter.cancel(.make(), by: .principal("ada"))
        } throws: {
            ($0 as? APIError)?.code == .notFound
        }
    }

    @Test func `the reaper stops at graceful shutdown`() async throws {
        let plane = try await ControlPlane()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let group = ServiceGroup(services: [plane.reaper], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}

/// Sleeps no time, notes how long it was asked to, and ends whoever sleeps after so many naps.
private final class NapClock: Clock {
    typealias Instant = ContinuousClock.Instant

    private let most: Int
    private let start = ContinuousClock.now
    private let taken = Mutex<[Duration]>([])

    init(most: Int) { self.most = most }

    var now: Instant { start }
    var minimumResolution: Duration { .zero }
    var naps: [Duration] { taken.withLock(\.self) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try taken.withLock { taken in
            guard taken.count < most else { throw CancellationError() }
            taken.append(start.duration(to: deadline))
        }
    }
}
