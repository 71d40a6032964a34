import FlowForgeBundle
import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

/// What agents can take by their own word and by the leases that they hold.
@Suite(.timeLimit(.minutes(1))) struct OfferTests {
    private func tasks(_ count: Int) -> [String] { (0..<count).map { "t\($0)" } }
    private func plane(_ count: Int) async throws -> ControlPlane {
        try await ControlPlane(tasks(count).map { task($0, output: "bronze.\($0)") })
    }
    private let offer = AgentAPI.WorkOffer(slots: 1, engines: ["duckdb"])

    private func end(_ agent: TestAgent, _ work: AgentAPI.Assignment) -> [AgentAPI.ReportEvent] {
        agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.\(work.task)"))], of: work)
    }

    @Test func `the report of an end brings the next task, which the end may have made ready`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let ingest = try await agent.take()
        let events = agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.orders"))], of: ingest)
        let answer = try await agent.send(events, offer: offer)
        #expect(answer.assignments?.map(\.task) == ["clean"])
        #expect(answer.assignments?.first?.inputs[AssetName("bronze.orders")!]?.version == 1)
        // Repeated, it brings nothing: nothing has ended by it.
        #expect(try await agent.send(events, offer: offer).assignments == nil)
    }

    @Test func `a report brings nothing without an offer, without an end, to a full agent and to one that drains`() async throws {
        let plane = try await plane(4)
        let agent = try await plane.agent()
        try await plane.start()
        let work = try await agent.poll(offering: 2).assignments
        #expect(work.count == 2)
        let started = agent.events([.started(.init(pid: 1))], of: work[0])
        #expect(try await agent.send(started, offer: .init(slots: 2, engines: ["duckdb"])).assignments == nil)
        #expect(try await agent.send(end(agent, work[0])).assignments == nil)
        #expect(try await agent.poll(offering: 2, lost: 1, leases: [work[1]]).assignments.isEmpty, "one is still being killed")
        let third = try await agent.poll(offering: 2, leases: [work[1]]).assignments
        #expect(third.count == 1)
        let id = agent.identity.id
        try await plane.store.write { try $0.agents.move(id, from: [.active], to: .draining) }
        #expect(try await agent.send(end(agent, work[1]), offer: .init(slots: 2, engines: ["duckdb"])).assignments == nil)
    }

    @Test func `what was taken back from an agent that has not heard of it takes a slot, what it has told the end of none`()
        async throws
    {
        let specs = tasks(2).map { name in
            var spec = task(name, output: "bronze.\(name)", retries: 1)
            spec.timeoutSeconds = 100
            return spec
        }
        let plane = try await ControlPlane(specs)
        let agent = try await plane.agent()
        try await plane.start()
        let work = try #require(try await agent.poll(offering: 1).assignments.first)
        try await agent.report(.started(.init(pid: 1)), of: work)
        plane.time.advance(161)
        _ = try await agent.poll(offering: 1, leases: [work])
        #expect(try await plane.reaper.endOverdueAttempts() == 1)
        plane.time.advance(10)
        let told = try await agent.poll(offering: 1, leases: [work])
        #expect(told.cancellations.map(\.reason) == [.leaseLost] && told.assignments.isEmpty)
        #expect(try await agent.poll(offering: 1, lost: 1).assignments.isEmpty, "its process has not ended")
        let next = try #require(try await agent.poll(offering: 1).assignments.first)
        try await agent.send(end(agent, next))
        #expect(try await agent.poll(offering: 1, leases: [next]).assignments.count == 1, "it need not have heard the answer")
    }

    @Test func `a lost answer's tasks count against the slots until they are taken back`() async throws {
        let plane = try await plane(4)
        let agent = try await plane.agent()
        try await plane.start()
        #expect(try await agent.poll(offering: 2).assignments.count == 2)
        #expect(try await agent.poll(offering: 2).assignments.isEmpty, "the answer before may still arrive")
        plane.time.advance(16)
        #expect(try await plane.reaper.takeBack() == 2)
        #expect(try await agent.poll(offering: 2).assignments.count == 2)
    }

    @Test func `a poll that was full when it left gets work once a report has made room`() async throws {
        let plane = try await plane(1)
        let agent = try await plane.agent()
        try await plane.start()
        let work = try await agent.take()
        async let held = agent.poll(offering: 1, leases: [work], wait: 25)
        try await plane.wakeUps.untilParked(1)
        // Nothing else is ready, so the slot stays free.
        #expect(try await agent.send(end(agent, work), offer: offer).assignments == nil)
        try await plane.start()
        #expect(try await held.assignments.map(\.task) == ["t0"])
    }

    @Test func `a poll that is held prolongs leases when it arrives and not later`() async throws {
        let plane = try await plane(1)
        let agent = try await plane.agent()
        try await plane.start()
        let work = try await agent.take()
        try await agent.send(agent.events([.started(.init(pid: 1))], of: work))
        async let held = agent.poll(offering: 2, leases: [work], wait: 25)
        try await plane.wakeUps.untilParked(1)
        plane.time.advance(20)
        // A wake-up makes the control plane look at the poll again; the agent may be gone by then.
        plane.wakeUps.wake(ready: ReadyTasks(pool: ControlPlane.pool, engine: "duckdb", count: 1))
        try await plane.wakeUps.untilParked(1)
        plane.time.advance(5)
        #expect(try await plane.reaper.takeBack() == 1)
        #expect(try await held.cancellations.map(\.reason) == [.leaseLost])
    }

    @Test(arguments: [(Int.max, 0), (0, Int.min), (Int.max, Int.min), (Int.min, Int.max)])
    func `an offer that cannot be is taken for what it can be`(slots: Int, lost: Int) async throws {
        let plane = try await plane(2)
        let agent = try await plane.agent()
        try await plane.start()
        let most = slots == .max ? 2 : 0
        let work = try await agent.poll(offering: slots, lost: lost).assignments
        #expect(work.count == most)
        guard let first = work.first else { return }
        try await plane.start()
        let impossible = AgentAPI.WorkOffer(slots: slots, lostSlots: lost, engines: ["duckdb"])
        #expect(try await agent.send(end(agent, first), offer: impossible).assignments?.count == 1)
    }

    @Test func `what a report takes itself wakes nobody else`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let ingest = try await agent.take()
        let report = AgentAPI.ReportRequest(
            spool: .make(),
            events: agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.orders"))], of: ingest),
            offer: offer)
        let (taken, ready) = try await plane.store.write { session in
            var batch = ReportBatch(
                session: session, agent: agent.identity, settings: OrchestrationSettings(), observers: [CompletionRecorder()])
            try batch.store(report)
            return (batch.result.response.assignments?.count, batch.stager.wakes.ready)
        }
        #expect(taken == 1 && ready.isEmpty)
    }
}
