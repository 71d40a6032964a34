import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Priorities, limits, pauses, and how many runs of a flow go on at once.
@Suite(.timeLimit(.minutes(1))) struct ConcurrencyTests {
    private func tasks(_ count: Int, uses: [String: Int]? = nil) -> [TaskSpec] {
        (0..<count).map { index in
            var spec = task("t\(index)", output: "bronze.t\(index)")
            spec.limits = uses
            return spec
        }
    }

    private func limits(_ plane: ControlPlane) -> Limits { Limits(store: plane.store, wakeUps: plane.wakeUps) }
    private func flows(_ plane: ControlPlane) -> Flows { Flows(store: plane.store, wakeUps: plane.wakeUps) }
    private let ada = Actor.principal("ada")

    private func redeploy(_ plane: ControlPlane, _ tasks: [TaskSpec], concurrency: Int? = nil, timeout: Double? = nil)
        async throws
    {
        try await plane.deploy(
            Manifest(
                name: "shop", version: UUID().uuidString.lowercased(),
                flows: [FlowSpec(name: "daily", tasks: tasks, concurrency: concurrency, timeoutSeconds: timeout)]))
    }

    @Test func `tasks of a more important run are handed out first, of equals the oldest`() async throws {
        let plane = try await ControlPlane(tasks(1))
        let agent = try await plane.agent()
        let ordinary = try await plane.start()
        plane.time.advance(1)
        let urgent = try await plane.starter.start(
            .init(environment: "dev", flow: "daily", priority: 10), by: ada
        ).run
        let first = try await agent.take()
        #expect(first.run == urgent.id)
        try await agent.succeed(first, output: "bronze.t0")
        #expect(try await agent.take().run == ordinary.id)
        await #expect(throws: APIError.self) {
            try await plane.starter.start(.init(environment: "dev", flow: "daily", priority: 101), by: ada)
        }
    }

    @Test func `a limit is never exceeded, and what waits goes on as soon as there is room`() async throws {
        let plane = try await ControlPlane(tasks(5, uses: ["warehouse": 2]))
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:warehouse", to: 5, by: ada)
        let run = try await plane.start()
        let first = try await agent.poll(free: 5).assignments
        #expect(first.count == 2, "two units each, of five")
        let waiting = try #require(try await plane.run(run.id).tasks?.filter { $0.state == .ready })
        #expect(waiting.count == 3 && waiting.first?.waitsFor == "limit resource:warehouse")
        #expect(try await limits(plane).list().items.map { [$0.used, $0.waiting] } == [[4, 3]])
        #expect(try await agent.poll(free: 5, leases: first).assignments.isEmpty)
        try await agent.succeed(first[0], output: "bronze.t0")
        #expect(try await agent.poll(free: 5, leases: [first[1]]).assignments.count == 1)
    }

    @Test func `a limit's units come back when the agent dies`() async throws {
        let plane = try await ControlPlane(tasks(2, uses: ["warehouse": 1]))
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:warehouse", to: 1, by: ada)
        try await plane.start()
        #expect(try await agent.poll(free: 2).assignments.count == 1)
        plane.time.advance(16)
        #expect(try await plane.reaper.takeBack() == 1)
        #expect(try await limits(plane).list().items.first?.used == 0)
        #expect(try await agent.poll(free: 2).assignments.count == 1)
    }

    @Test func `a limit that is set late counts what goes on, and raising or removing it lets others go on`() async throws {
        let plane = try await ControlPlane(tasks(4))
        let agent = try await plane.agent()
        try await plane.start()
        let first = try await agent.poll(free: 2).assignments
        #expect(first.count == 2)
        #expect(try await limits(plane).set("pool:demo", to: 1, by: ada).used == 2)
        #expect(try await agent.poll(free: 2, leases: first).assignments.isEmpty)
        async let third = agent.poll(free: 2, leases: first, wait: 25)
        try await plane.wakeUps.untilParked(1)
        _ = try await limits(plane).set("pool:demo", to: 3, by: ada)
        #expect(try await third.assignments.count == 1)
        try await limits(plane).remove("pool:demo", by: ada)
        #expect(try await agent.poll(free: 2).assignments.count == 1)
        await #expect(throws: APIError.self) { try await limits(plane).remove("pool:demo", by: ada) }
        await #expect(throws: APIError.self) { try await limits(plane).set("demo", to: 1, by: ada) }
    }

    @Test func `who waits for one limit does not keep another from those that need only that`() async throws {
        var specs = tasks(4)
        specs[0].limits = ["a": 1, "b": 1]
        specs[1].limits = ["a": 1, "b": 1]
        specs[2].limits = ["a": 1]
        specs[3].limits = ["b": 1]
        let plane = try await ControlPlane(specs)
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:a", to: 1, by: ada)
        _ = try await limits(plane).set("resource:b", to: 0, by: ada)
        try await plane.start()
        let first = try await agent.poll(free: 4).assignments
        #expect(first.map(\.task) == ["t2"])
        try await agent.succeed(first[0], output: "bronze.t2")
        #expect(try await agent.poll(free: 4).assignments.isEmpty)
        _ = try await limits(plane).set("resource:b", to: 1, by: ada)
        let second = try await agent.poll(free: 4).assignments
        #expect(second.count == 1, "a and b are there once each")
        try await workOff(second, by: agent)
    }

    @Test func `a task that wants more than there is takes all of it, and keeps nobody waiting for ever`() async throws {
        var specs = tasks(3, uses: ["warehouse": 1])
        specs[0].limits = ["warehouse": 10]
        let plane = try await ControlPlane(specs)
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:warehouse", to: 2, by: ada)
        try await plane.start()
        let first = try await agent.poll(free: 3).assignments
        #expect(first.map(\.task) == ["t0"])
        #expect(try await limits(plane).list().items.first?.used == 2)
        try await agent.succeed(first[0], output: "bronze.t0")
        #expect(Set(try await agent.poll(free: 3).assignments.map(\.task)) == ["t1", "t2"])
        _ = try await limits(plane).set("resource:warehouse", to: 0, by: ada)
        try await plane.start()
        #expect(try await agent.poll(free: 3).assignments.isEmpty, "0 lets nothing begin")
    }

    @Test func `tasks that want several units of several limits do not chase each other`() async throws {
        var specs = tasks(6)
        for index in specs.indices.dropFirst(2) { specs[index].limits = index % 2 == 0 ? ["a": 2, "b": 1] : ["a": 1, "b": 2] }
        specs[0].limits = ["a": 1]
        specs[1].limits = ["b": 1]
        let plane = try await ControlPlane(specs)
        let agent = try await plane.agent()
        for key in ["resource:a", "resource:b"] { _ = try await limits(plane).set(key, to: 2, by: ada) }
        try await plane.start()
        // Each of the others finds one unit of each limit, and wants two of one of them.
        let first = try await agent.poll(free: 6).assignments
        #expect(first.map(\.task) == ["t0", "t1"])
        #expect(try await plane.reaper.releaseForgotten() == 0)
        try await workOff(first, by: agent)
    }

    private func requireAllEnded(_ plane: ControlPlane) async throws {
        let runs = try await plane.store.read { try $0.figures.runs() }
        #expect(runs.allSatisfy { $0.key.isFinal || $0.value == 0 }, "\(runs)")
    }

    /// Until nothing is left that the agent can have; then every run has ended.
    private func workOff(_ work: [AgentAPI.Assignment], by agent: TestAgent) async throws {
        var work = work
        while let one = work.popLast() {
            try await agent.succeed(one, output: "bronze.\(one.task)")
            if work.isEmpty { work = try await agent.poll(free: 6).assignments }
        }
        try await requireAllEnded(agent.plane)
    }

    @Test func `one that wants more units than are free is not overtaken for ever`() async throws {
        var specs = tasks(5, uses: ["warehouse": 1])
        specs[2].limits = ["warehouse": 2]
        let plane = try await ControlPlane(specs)
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:warehouse", to: 2, by: ada)
        try await plane.start()
        let first = try await agent.poll(free: 5).assignments
        #expect(first.map(\.task) == ["t0", "t1"])
        try await agent.succeed(first[0], output: "bronze.t0")
        #expect(try await agent.poll(free: 5, leases: [first[1]]).assignments.isEmpty, "t2 is next, and one unit is not enough")
        try await agent.succeed(first[1], output: "bronze.t1")
        #expect(try await agent.poll(free: 5).assignments.map(\.task) == ["t2"])
    }

    @Test func `those whose agents are away keep a limit from nobody`() async throws {
        let plane = try await ControlPlane(tasks(1, uses: ["warehouse": 1]))
        let agent = try await plane.agent()
        var absent = task("x", output: "bronze.x", engine: "python")
        absent.limits = ["warehouse": 1]
        try await plane.deploy(
            Manifest(name: "away", version: "1.0.0", flows: [FlowSpec(name: "nobody", tasks: [absent])]))
        _ = try await limits(plane).set("resource:warehouse", to: 1, by: ada)
        _ = try await plane.starter.start(.init(environment: "dev", flow: "nobody", priority: 100), by: ada)
        try await plane.start()
        try await plane.start()
        let work = try await agent.take()
        try await agent.succeed(work, output: "bronze.t0")
        #expect(try await agent.take().task == "t0")
    }

    @Test func `what a cancelled run was next for goes to who waits behind it`() async throws {
        let plane = try await ControlPlane(tasks(1, uses: ["warehouse": 1]))
        let agent = try await plane.agent()
        _ = try await limits(plane).set("resource:warehouse", to: 1, by: ada)
        try await plane.start()
        let held = try await agent.take()
        let second = try await plane.start()
        let third = try await plane.start()
        #expect(try await agent.poll(free: 5, leases: [held]).assignments.isEmpty)
        try await agent.succeed(held, output: "bronze.t0")
        // The second was let go on, and nobody has claimed it yet.
        _ = try await plane.starter.cancel(second.id, by: ada)
        #expect(try await agent.take().run == third.id)
        #expect(try await plane.reaper.releaseForgotten() == 0)
    }

    @Test func `a paused flow hands out nothing, and what runs is finished`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let paused = try await flows(plane).pause("daily", in: "dev", .init(reason: "upgrade"), by: ada)
        #expect(paused.paused?.reason == "upgrade" && paused.active == 1)
        try await agent.succeed(work, output: "bronze.orders")
        #expect(try await agent.poll().assignments.isEmpty)
        #expect(try await plane.run(run.id).tasks?[1].waitsFor == "flow 'daily' to be resumed")
        let second = try await plane.start()
        #expect(try await agent.poll(free: 5).assignments.isEmpty)
        async let resumed = agent.poll(free: 5, wait: 25)
        try await plane.wakeUps.untilParked(1)
        _ = try await flows(plane).resume("daily", in: "dev", .init(), by: ada)
        #expect(Set(try await resumed.assignments.map(\.run)) == [run.id, second.id])
        #expect(try await plane.audited("flow.pause").count == 1)
        await #expect(throws: APIError.self) { try await flows(plane).resume("nightly", in: "dev", .init(), by: ada) }
    }

    @Test func `no more runs of a flow go on than it allows, and the next follows the end of one`() async throws {
        let plane = try await ControlPlane()
        try await redeploy(plane, tasks(1), concurrency: 1)
        let agent = try await plane.agent()
        var runs: [OperatorAPI.RunView] = []
        for _ in 0..<3 {
            runs.append(try await plane.start())
            plane.time.advance(1)
        }
        #expect(try await plane.run(runs[0].id).waitsForOthers == nil)
        #expect(try await plane.run(runs[1].id).waitsForOthers == true)
        #expect(try await plane.run(runs[1].id).states == [.waiting])
        let first = try await agent.take()
        #expect(first.run == runs[0].id)
        #expect(try await agent.poll(free: 5, leases: [first]).assignments.isEmpty)
        // One that waits can be cancelled, and is not counted.
        #expect(try await plane.starter.cancel(runs[1].id, by: ada).state == .cancelled)
        try await agent.succeed(first, output: "bronze.t0")
        #expect(try await agent.take().run == runs[2].id)
    }

    @Test func `a thousand queued runs are let through one at a time`() async throws {
        let plane = try await ControlPlane()
        try await redeploy(plane, tasks(1), concurrency: 1)
        let agent = try await plane.agent()
        for _ in 0..<1000 { try await plane.start() }
        for _ in 0..<1000 {
            let work = try await agent.take()
            try await agent.succeed(work, output: "bronze.t0")
        }
        try await requireAllEnded(plane)
    }

    @Test func `a run that takes too long is ended and has failed`() async throws {
        let plane = try await ControlPlane()
        try await redeploy(plane, medallion, timeout: 60)
        let agent = try await plane.agent()
        let run = try await plane.start()
        plane.time.advance(3600)
        #expect(try await plane.reaper.endOverdueRuns() == 0, "its time begins with its first attempt")
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        plane.time.advance(61)
        #expect(try await plane.reaper.endOverdueRuns() == 1)
        #expect(try await agent.poll(free: 0, leases: [work]).cancellations.map(\.reason) == [.runCancelled])
        try await agent.report(.finished(.init(outcome: .cancelled, metrics: TaskMetrics())), of: work)
        let seen = try await plane.run(run.id)
        #expect(seen.state == .failed && seen.endReason == .timeout)
    }

    @Test func `an attempt that outlives its deadline is ended whatever its agent says, and tried again`() async throws {
        var spec = task("one", output: "bronze.one", retries: 1)
        spec.timeoutSeconds = 100
        let plane = try await ControlPlane([spec])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        plane.time.advance(161)
        _ = try await agent.poll(free: 0, leases: [work])
        async let parked = agent.poll(free: 0, leases: [work], wait: 25)
        try await plane.wakeUps.untilParked(1)
        #expect(try await plane.reaper.takeBack() == 0, "its lease is renewed")
        #expect(try await plane.reaper.endOverdueAttempts() == 1)
        #expect(try await parked.cancellations.map(\.reason) == [.leaseLost])
        let late = try await agent.report(.finished(agent.success("bronze.one")), of: work)
        #expect(late.stale == [work.lease])
        let seen = try await plane.run(run.id)
        #expect(seen.attempts(of: "one").map(\.state) == [.timedOut])
        #expect(seen.attempts(of: "one").first?.error?.code == TaskError.deadlineExceeded)
        plane.time.advance(10)
        #expect(try await agent.take().number == 2)
    }

    @Test func `a claim that its agent holds and never starts is lost in the end`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        for _ in 0..<40 {
            plane.time.advance(15)
            _ = try await agent.poll(free: 0, leases: [work])
        }
        #expect(try await plane.reaper.takeBack() == 0)
        plane.time.advance(5)
        #expect(try await plane.reaper.endOverdueAttempts() == 1)
        #expect(try await plane.run(run.id).attempts(of: "ingest").map(\.state) == [.lost])
        #expect(try await agent.take().number == 2)
    }
}
