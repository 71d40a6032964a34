import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Synchronization
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct LongPollTests {
    @Test func `a parked poll is woken by a new run`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        async let response = agent.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        try await plane.start()
        #expect(try await response.assignments.map(\.task) == ["ingest"])
        #expect(plane.wakeUps.waiting == 0)
    }

    @Test func `what is made ready is claimed for a parked poll by the same transaction`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        async let response = agent.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        let before = plane.store.writeCounts().commits
        try await plane.start()
        #expect(try await response.assignments.map(\.task) == ["ingest"])
        #expect(plane.store.writeCounts().commits == before + 1)
    }

    @Test(arguments: [Store.FaultPoint.beforeCommit, .afterCommit])
    func `a poll for which a failing transaction has claimed waits on, or has its tasks`(point: Store.FaultPoint) async throws {
        struct Planned: Error {}
        let fails = Mutex(false)
        let plane = try await ControlPlane(fault: { if $0 == point, fails.withLock(\.self) { throw Planned() } })
        let agent = try await plane.agent()
        async let response = agent.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        fails.withLock { $0 = true }
        await #expect(throws: Planned.self) { try await plane.start() }
        fails.withLock { $0 = false }
        if point == .beforeCommit {
            #expect(plane.wakeUps.parked == 1)
            try await plane.start()
        }
        #expect(try await response.assignments.map(\.task) == ["ingest"])
        #expect(plane.wakeUps.waiting == 0)
    }

    @Test func `what happens to a poll while a transaction looks for it is not forgotten when that is undone`() async throws {
        struct Planned: Error {}
        // No wait ends by itself.
        let wakeUps = WakeUps(alarm: { _, _ in })
        let concerned = Mutex<ID<Agent>?>(nil)
        let plane = try await ControlPlane(
            wakeUps: wakeUps,
            fault: { point in
                // Once: what the agent hears then makes its poll look.
                guard point == .beforeCommit, let agent = concerned.withLock({ $0.take() }) else { return }
                wakeUps.wake(agent: agent)
                throw Planned()
            })
        let agent = try await plane.agent()
        async let response = agent.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        concerned.withLock { $0 = agent.identity.id }
        await #expect(throws: Planned.self) { try await plane.start() }
        // A poll that is woken for its agent answers, whatever there is to say.
        #expect(try await response.assignments.isEmpty)
    }

    @Test func `a task that becomes ready while a transaction looks for a poll is looked for when that is undone`() async throws {
        struct Planned: Error {}
        let wakeUps = WakeUps(alarm: { _, _ in })
        let isArmed = Mutex(false)
        let plane = try await ControlPlane(
            wakeUps: wakeUps,
            fault: { point in
                guard point == .beforeCommit,
                    isArmed.withLock({ armed in
                        defer { armed = false }; return armed
                    })
                else { return }
                wakeUps.wake(ready: ReadyTasks(pool: ControlPlane.pool, engine: "duckdb", count: 1))
                throw Planned()
            })
        let agent = try await plane.agent()
        async let response = agent.poll(wait: 25)
        try await wakeUps.untilParked(1)
        let before = plane.store.writeCounts().commits
        isArmed.withLock { $0 = true }
        await #expect(throws: Planned.self) { try await plane.start() }
        // Its look is a write.
        while plane.store.writeCounts().commits == before {
            try Task.checkCancellation()
            await Task.yield()
        }
        wakeUps.drain()
        #expect(try await response.assignments.isEmpty)
    }

    @Test func `an agent that takes a more urgent task than it was chosen for leaves the other to the next`() async throws {
        let wakeUps = WakeUps(alarm: { _, _ in })
        let plane = try await ControlPlane(
            [
                task("d", output: "bronze.d", retries: 1),
                task("c", output: "bronze.c", retries: 1, engine: "command"),
            ], wakeUps: wakeUps)
        let (both, one) = (try await plane.agent("both"), try await plane.agent("one"))
        // Of a run that is not urgent the task of one engine waits for its retry, of an urgent one that of the other.
        for (priority, failing) in [(0, "c"), (10, "d")] {
            _ = try await plane.starter.start(
                .init(environment: ControlPlane.environment, flow: "daily", priority: priority), by: .principal("ada"))
            for _ in 0..<2 {
                let work = try #require(try await both.poll(engines: ["duckdb", "command"]).assignments.first)
                if work.task == failing {
                    try await both.report(.finished(both.failure("disk_full", retryable: true)), of: work)
                } else {
                    try await both.succeed(work, output: "bronze.\(work.task)")
                }
            }
        }
        async let urgent = both.poll(engines: ["duckdb", "command"], wait: 25)
        try await wakeUps.untilParked(1)
        // What becomes ready is handed out engine by engine, this one first.
        async let other = one.poll(engines: ["command"], wait: 25)
        try await wakeUps.untilParked(2)
        plane.time.advance(10)
        try await plane.reaper.releaseDue()
        #expect(try await urgent.assignments.map(\.task) == ["d"])
        #expect(try await other.assignments.map(\.task) == ["c"])
    }

    @Test func `a parked poll is woken when a task upstream is done`() async throws {
        let plane = try await ControlPlane()
        let (agent, other) = (try await plane.agent("a"), try await plane.agent("b"))
        try await plane.start()
        let work = try await agent.take()
        async let response = other.poll(wait: 25)
        try await plane.wakeUps.untilParked(1)
        try await agent.succeed(work, output: "bronze.orders")
        #expect(try await response.assignments.map(\.task) == ["clean"])
    }

    @Test func `as many polls are woken as there are tasks`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agents = [try await plane.agent("a"), try await plane.agent("b"), try await plane.agent("c")]
        try await withThrowingTaskGroup(of: [String].self) { group in
            for agent in agents { group.addTask { try await agent.poll(wait: 25).assignments.map(\.task) } }
            try await plane.wakeUps.untilParked(3)
            try await plane.start()
            #expect(try await group.next() == ["one"])
            #expect(plane.wakeUps.parked == 2, "the others were left alone")
            plane.wakeUps.drain()
            #expect(try await group.reduce(into: []) { $0 += $1 } == [])
        }
        #expect(plane.wakeUps.waiting == 0)
    }

    @Test func `a poll without the engine, or of another pool, is left alone`() async throws {
        let plane = try await ControlPlane()
        let agents = [try await plane.agent("a"), try await plane.agent("b", pool: "elsewhere"), try await plane.agent("c")]
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask { try await agents[0].poll(engines: ["spark"], wait: 25).assignments.count }
            group.addTask { try await agents[1].poll(wait: 25).assignments.count }
            group.addTask { try await agents[2].poll(free: 0, wait: 25).assignments.count }
            try await plane.wakeUps.untilParked(3)
            try await plane.start()
            #expect(plane.wakeUps.parked == 3)
            plane.wakeUps.drain()
            #expect(try await group.reduce(0, +) == 0)
        }
    }

    @Test func `a cancelled poll ends and leaves no waiter behind`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await withThrowingTaskGroup(of: (any Error)?.self) { group in
            group.addTask {
                do { _ = try await agent.poll(wait: 25) } catch { return error }
                return nil
            }
            try await plane.wakeUps.untilParked(1)
            group.cancelAll()
            #expect(try await group.next() as? any Error is CancellationError)
        }
        #expect(plane.wakeUps.waiting == 0)
        try await plane.start()
        #expect(try await agent.poll().assignments.count == 1, "nothing was claimed for it")
    }

    @Test func `shutdown ends every wait, and those that come after`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start(flow: "daily")
        _ = try await agent.take()
        async let poll = agent.poll(wait: 25)
        async let view = plane.reader.run(run.id, since: 1_000_000, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(2)
        plane.wakeUps.drain()
        #expect(try await poll.assignments.isEmpty)
        #expect(try await view.id == run.id)
        #expect(try await agent.poll(wait: 25).assignments.isEmpty)
        #expect(plane.wakeUps.waiting == 0)
    }

    @Test func `a poll with nothing to say ends when its time is over`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        #expect(try await agent.poll(wait: 0.05).assignments.isEmpty)
        #expect(try await agent.poll(wait: -3).assignments.isEmpty)
        #expect(try await agent.poll(wait: .nan).assignments.isEmpty)
    }

    @Test func `a wake-up of a poll that went away is passed on`() async throws {
        let wakeUps = WakeUps()
        func ticket() -> WakeUps.Ticket { wakeUps.ticket(.poll(agent: .make(), pool: "p", engines: ["duckdb"])) }
        let tickets = [ticket(), ticket()]
        for ticket in tickets { ticket.looked(free: 1, had: true) }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for (index, ticket) in tickets.enumerated() {
                group.addTask {
                    #expect(await ticket.wait(upTo: .seconds(30)).isChange)
                    return index
                }
            }
            try await wakeUps.untilParked(2)
            wakeUps.wake(ready: ReadyTasks(pool: "p", engine: "duckdb", count: 1))
            let first = try #require(try await group.next())
            #expect(wakeUps.parked == 1)
            tickets[first].close()
            let second = try #require(try await group.next())
            tickets[second].looked(free: 0, had: true)
            tickets[second].close()
        }
        #expect(wakeUps.waiting == 0)
    }

    @Test func `a task is not kept from others by a parked agent that drains`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agents = [try await plane.agent("drains"), try await plane.agent("works")]
        let drained = agents[0].identity.id
        try await withThrowingTaskGroup(of: [String].self) { group in
            for agent in agents { group.addTask { try await agent.poll(wait: 25).assignments.map(\.task) } }
            try await plane.wakeUps.untilParked(2)
            try await plane.store.write { try $0.agents.move(drained, from: [.active], to: .draining) }
            try await plane.start()
            // Whichever is woken first, the one that works gets the task without waiting for its poll's end.
            var taken: [String] = []
            while taken.isEmpty { taken = try #require(try await group.next()) }
            #expect(taken == ["one"])
            plane.wakeUps.drain()
        }
    }

    @Test func `who waits for a run sees each change of it`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let claimed = try await plane.run(run.id)
        #expect(claimed.version > run.version)
        async let next = plane.reader.run(run.id, since: claimed.version, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(1)
        try await agent.report(.started(.init(pid: 7)), of: work)
        #expect(try await next.state == .running)
        let seen = try await plane.run(run.id)
        async let percent = plane.reader.run(run.id, since: seen.version, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(1)
        try await agent.report(.progress(.init(step: 1, steps: 2, label: "write", percent: 40)), of: work)
        #expect(try await percent.attempts(of: "one").first?.progress?.percent == 40)
    }

    @Test func `changes that follow each other quickly are one answer, and the end is told at once`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let patient = RunReader(store: plane.store, wakeUps: plane.wakeUps, pace: .seconds(25))
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let claimed = try await plane.run(run.id)
        async let next = patient.run(run.id, since: claimed.version, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(1)
        try await agent.report(.started(.init(pid: 7)), of: work)
        try await agent.report(.progress(.init(step: 1, steps: 1, label: "work")), of: work)
        try await agent.report(.finished(.init(outcome: .succeeded, metrics: TaskMetrics())), of: work)
        #expect(try await next.state == .succeeded)
    }
}
