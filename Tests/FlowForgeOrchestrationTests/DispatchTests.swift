import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct DispatchTests {
    @Test func `a ready task is assigned under a lease with its inputs and base`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let run = try await plane.start()
        let ingest = try await agent.take()
        #expect(ingest.task == "ingest" && ingest.run == run.id && ingest.number == 1 && ingest.fencing == 1)
        #expect(ingest.inputs.isEmpty && ingest.base == nil)
        #expect(ingest.leaseSeconds == 15)
        try await agent.succeed(ingest, output: "bronze.orders")
        let clean = try await agent.take()
        #expect(clean.task == "clean" && clean.fencing == 2)
        #expect(clean.inputs[AssetName("bronze.orders")!]?.version == 1)
    }

    @Test func `two agents never get the same task`() async throws {
        let plane = try await ControlPlane((0..<12).map { task("t\($0)", output: "bronze.t\($0)") })
        let agents = [try await plane.agent("a"), try await plane.agent("b"), try await plane.agent("c")]
        try await plane.start()
        let assignments = try await withThrowingTaskGroup(of: [AgentAPI.Assignment].self) { group in
            for _ in 0..<3 {
                for agent in agents { group.addTask { try await agent.poll(free: 2).assignments } }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(assignments.count == 12)
        #expect(Set(assignments.map(\.task)).count == 12)
        #expect(Set(assignments.map(\.fencing)).count == 12)
    }

    @Test func `an agent gets only what its engines, its slots and its pool allow`() async throws {
        let plane = try await ControlPlane([
            task("a", output: "bronze.a"), task("b", output: "bronze.b"), task("c", output: "bronze.c", engine: "spark"),
        ])
        try await plane.start()
        let (agent, stranger) = (try await plane.agent(), try await plane.agent("x", pool: "elsewhere"))
        #expect(try await stranger.poll(free: 5).assignments.isEmpty)
        #expect(try await agent.poll(free: 0).assignments.isEmpty)
        #expect(try await agent.poll(free: 1).assignments.map(\.task) == ["a"])
        #expect(try await agent.poll(free: 5).assignments.map(\.task) == ["b"])
        #expect(try await agent.poll(free: 5, engines: ["spark"]).assignments.map(\.task) == ["c"])
    }

    @Test func `an asset has one writer at a time`() async throws {
        let plane = try await ControlPlane([task("load", output: "bronze.a")])
        let agent = try await plane.agent()
        try await plane.start()
        plane.time.advance(1)
        try await plane.start()
        let first = try await agent.take()
        #expect(try await agent.poll(free: 5).assignments.isEmpty)
        try await agent.succeed(first, output: "bronze.a")
        let second = try await agent.take()
        #expect(second.run != first.run)
        #expect(second.base?.version == 1, "it builds on what the first has written")
    }

    @Test func `a poll renews the leases it lists and is told of those that are not its own`() async throws {
        let plane = try await ControlPlane()
        let (agent, thief) = (try await plane.agent("a"), try await plane.agent("b"))
        try await plane.start()
        let work = try await agent.take()
        plane.time.advance(10)
        let renewed = try await agent.poll(free: 0, leases: [work])
        #expect(renewed.renewed == [.init(lease: work.lease, seconds: 24)])
        #expect(renewed.cancellations.isEmpty)
        plane.time.advance(20)
        #expect(try await plane.reaper.takeBack() == 0, "24 s since the poll are not over")
        let stolen = try await thief.poll(free: 0, leases: [work])
        #expect(stolen.renewed.isEmpty)
        #expect(stolen.cancellations.map(\.reason) == [.leaseLost])
        var forged = work
        forged.fencing += 1
        #expect(try await agent.poll(free: 0, leases: [forged]).cancellations.map(\.reason) == [.leaseLost])
    }

    @Test func `a draining agent gets no work until it is resumed`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let id = agent.identity.id
        try await plane.store.write { try $0.agents.move(id, from: [.active], to: .draining) }
        let drained = try await agent.poll(free: 2)
        #expect(drained.directives == [.drain] && drained.assignments.isEmpty)
        try await plane.store.write { try $0.agents.move(id, from: [.draining], to: .active) }
        #expect(try await agent.poll(free: 0, slots: 2).directives == [.resume])
        #expect(try await agent.poll(free: 2).assignments.map(\.task) == ["ingest"])
    }

    @Test func `a revoked agent is refused`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let id = agent.identity.id
        try await plane.store.write { try $0.agents.move(id, from: [.active], to: .revoked) }
        await #expect {
            try await agent.poll()
        } throws: {
            ($0 as? APIError)?.code == .agentRevoked
        }
    }

    @Test func `an agent of another protocol version is refused`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let request = AgentAPI.PollRequest(protocolVersion: 99, freeSlots: 1, slots: 1, engines: [])
        await #expect {
            try await plane.dispatcher.poll(request, from: agent.identity)
        } throws: {
            ($0 as? APIError)?.code == .protocolVersion
        }
    }

    @Test func `an unconfirmed publication is repeated, ever more rarely, until it is confirmed`() async throws {
        let plane = try await ControlPlane([task("load", output: "bronze.a")])
        let agent = try await plane.agent()
        try await plane.start()
        let accepted = try await agent.succeed(try await agent.take(), output: "bronze.a").publications
        #expect(accepted.map(\.snapshot.version) == [1])
        #expect(try await agent.poll().publications.isEmpty, "who was told in the report goes first")
        plane.time.advance(2)
        #expect(try await agent.poll().publications == accepted)
        #expect(try await agent.poll().publications.isEmpty, "not again at once")
        plane.time.advance(2)
        let other = try await plane.agent("b")
        #expect(try await other.poll().publications == accepted, "any agent of the pool may do it")
        try await other.report(.published(accepted[0]), of: nil)
        plane.time.advance(3600)
        #expect(try await agent.poll().publications.isEmpty)
    }

    @Test func `a run says which of its outputs readers do not see yet, and who waits hears when they do`() async throws {
        let plane = try await ControlPlane([task("load", output: "bronze.a")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        #expect(try await plane.run(run.id).unpublished == [])
        let accepted = try await agent.succeed(try await agent.take(), output: "bronze.a").publications
        let ended = try await plane.run(run.id)
        #expect(ended.state == .succeeded && ended.unpublished?.map(\.description) == ["bronze.a"])
        async let next = plane.reader.run(run.id, since: ended.version, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(1)
        try await agent.report(.published(accepted[0]), of: nil)
        #expect(try await next.unpublished == [])
        // What another run has replaced is nothing to wait for.
        try await plane.start()
        _ = try await agent.succeed(try await agent.take(), output: "bronze.a")
        #expect(try await plane.run(run.id).unpublished == [])
    }

    @Test func `confirming an older version confirms nothing`() async throws {
        let plane = try await ControlPlane([task("load", output: "bronze.a")])
        let agent = try await plane.agent()
        try await plane.start()
        let first = try await agent.succeed(try await agent.take(), output: "bronze.a").publications
        try await plane.start()
        let second = try await agent.succeed(try await agent.take(), output: "bronze.a").publications
        #expect(second.map(\.snapshot.version) == [2])
        try await agent.report(.published(first[0]), of: nil)
        plane.time.advance(2)
        #expect(try await agent.poll().publications == second)
    }
}
