import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

/// An agent that polls and never starts what it is given.
@Suite(.timeLimit(.minutes(1))) struct DeafAgentTests {
    @Test func `it stops being given work, others do it, and one probe that it starts makes it well`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let deaf = try await plane.agent()
        try await plane.start()
        // It takes work, goes on polling, and the start lease lapses.
        for _ in 1...3 {
            _ = try await deaf.take()
            plane.time.advance(10)
            _ = try await deaf.poll(free: 0)
            plane.time.advance(10)
            #expect(try await plane.reaper.takeBack() == 1)
        }
        #expect(try await deaf.poll(free: 1).assignments.isEmpty)
        #expect(try await plane.audited("agent.deaf").count == 1)
        let other = try await plane.agent()
        let work = try await other.take()
        try await other.send(other.events([.started(.init(pid: 1)), .finished(other.success(nil))], of: work))

        // Later it gets one task, however many wait and however many slots it has.
        for _ in 1...3 { try await plane.start() }
        plane.time.advance(30)
        let probes = try await deaf.poll(free: 4).assignments
        #expect(probes.count == 1)
        #expect(try await deaf.poll(free: 4).assignments.isEmpty)
        let probe = try #require(probes.first)
        try await deaf.send(deaf.events([.started(.init(pid: 1))], of: probe))
        #expect(try await deaf.poll(free: 3).assignments.count == 2)
        #expect(try await plane.audited("agent.hear").count == 1)
    }
}
