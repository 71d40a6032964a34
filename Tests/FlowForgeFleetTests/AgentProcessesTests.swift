import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

/// Two processes with one agent's identity, over the wire.
@Suite struct AgentProcessesTests {
    private func poll(
        _ agent: TestAgent, _ process: ID<AgentProcess>, _ sequence: Int64
    ) async throws -> TestAgent.Answer {
        var request = TestAgent.pollRequest()
        request.process = process
        request.sequence = sequence
        return try await agent.post("/agent/v1/poll", request)
    }

    @Test func `the older of two processes is refused, audited, and may not report either`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let (older, younger) = (ID<AgentProcess>.make(), ID<AgentProcess>.make())
            #expect(try await poll(agent, older, 1).status == 200)
            #expect(try await poll(agent, younger, 1).status == 200)
            #expect(try await poll(agent, older, 2).code == .conflict)
            #expect(try await poll(agent, older, 3).code == .conflict)
            let refused = try await poll(agent, older, 4)
            #expect(refused.status == 403 && refused.code == .agentCloned)
            #expect(try await plane.refusals("agent.poll") == ["agent_cloned"])
            let report = AgentAPI.ReportRequest(spool: .make(), events: [], process: older)
            #expect(try await agent.post("/agent/v1/report", report).code == .agentCloned)
            #expect(try await poll(agent, younger, 2).status == 200)
            let taken = AgentAPI.ReportRequest(spool: .make(), events: [], process: younger)
            #expect(try await agent.post("/agent/v1/report", taken).status == 200)
        }
    }

    @Test func `agents that name no process are served as before`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            for _ in 1...5 { #expect(try await agent.poll().status == 200) }
            #expect(try await agent.post("/agent/v1/report", AgentAPI.ReportRequest(spool: .make(), events: [])).status == 200)
        }
    }
}
