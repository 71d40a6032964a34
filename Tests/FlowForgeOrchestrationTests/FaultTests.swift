import FlowForgeProtocol
import FlowForgeStore
import Synchronization
import Testing

@testable import FlowForgeOrchestration

/// Faults at each point of a transaction: whoever asked repeats the request, and the end is the same.
@Suite(.timeLimit(.minutes(1))) struct FaultTests {
    private struct Planned: Error {}

    /// Throws once at a point, when armed.
    private final class Trap: Sendable {
        private let armed = Mutex<Store.FaultPoint?>(nil)
        func arm(_ point: Store.FaultPoint) { armed.withLock { $0 = point } }
        func check(_ point: Store.FaultPoint) throws {
            let springs = armed.withLock { armed in
                guard armed == point else { return false }
                armed = nil
                return true
            }
            if springs { throw Planned() }
        }
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a report whose answer was lost is taken in once`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let plane = try await ControlPlane([task("one", output: "bronze.one")], fault: { try trap.check($0) })
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let batch = agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.one"))], of: work)
        trap.arm(point)
        await #expect(throws: Planned.self) { try await agent.send(batch) }
        #expect(try await agent.send(batch).acknowledged == 2)
        let seen = try await plane.run(run.id)
        #expect(seen.state == .succeeded && seen.attempts(of: "one").count == 1)
        #expect(try await plane.audited("asset.publish").count == 1)
        // The answer that was lost had told what to publish; polls say it again.
        plane.time.advance(2)
        #expect(try await agent.poll().publications.map(\.snapshot.version) == [1])
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a run whose answer was lost is started once with its key`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let plane = try await ControlPlane(fault: { try trap.check($0) })
        trap.arm(point)
        await #expect(throws: Planned.self) { try await plane.start(key: "k") }
        let run = try await plane.start(key: "k")
        #expect(try await plane.reader.list(environment: nil, state: nil, after: nil, limit: 9).items.map(\.id) == [run.id])
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a task whose assignment was lost is worked on again`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let plane = try await ControlPlane(fault: { try trap.check($0) })
        let agent = try await plane.agent()
        try await plane.start()
        trap.arm(point)
        await #expect(throws: Planned.self) { try await agent.poll() }
        plane.time.advance(16)
        _ = try await plane.reaper.takeBack()
        #expect(try await agent.take().number == (point == .afterCommit ? 2 : 1))
    }

    @Test func `a clock that jumps ahead costs attempts but loses no outcome`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        plane.time.advance(3600)
        _ = try await plane.reaper.takeBack()
        #expect(try await agent.poll(free: 0, leases: [work]).cancellations.map(\.reason) == [.leaseLost])
        plane.time.advance(-3600)
        try await agent.succeed(try await agent.take(), output: "bronze.one")
        #expect(try await plane.run(run.id).state == .succeeded)
    }

    @Test func `a lease that lapsed while the control plane was down is renewed by the first poll`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        try await plane.start()
        let work = try await agent.take()
        plane.time.advance(600)
        #expect(try await agent.poll(free: 0, leases: [work]).renewed.count == 1)
        #expect(try await plane.reaper.takeBack() == 0)
        #expect(try await agent.succeed(work, output: "bronze.orders").stale.isEmpty)
    }
}
