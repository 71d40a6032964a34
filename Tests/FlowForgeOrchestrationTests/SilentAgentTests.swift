import FlowForgeProtocol
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct SilentAgentTests {
    @Test func `what an agent lost by its silence is not given back through the poll that it left`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let (silent, other) = (try await plane.agent(), try await plane.agent())
        try await plane.start()
        let work = try await silent.take()
        try await silent.report(.started(.init(pid: 1)), of: work)
        try await withThrowingTaskGroup(of: AgentAPI.PollResponse.self) { group in
            group.addTask { try await silent.poll(free: 1, leases: [work], wait: 25) }
            try await plane.wakeUps.untilParked(1)
            plane.time.advance(60)
            #expect(try await plane.reaper.takeBack() == 1)
            let answer = try #require(try await group.next())
            #expect(answer.cancellations.map(\.reason) == [.leaseLost] && answer.assignments.isEmpty)
        }
        #expect(try await other.take().number == 2)
    }
}
