import FlowForgeProtocol
import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct HeldRequestTests {
    @Test func `polls of clients that vanish are let go`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<40 { group.addTask { _ = try? await agent.poll(waitSeconds: 25, freeSlots: 1) } }
                try? await eventually("40 polls are held") { plane.controlPlane.heldRequests == 40 }
                group.cancelAll()
            }
            try await eventually("no poll is held") { plane.controlPlane.heldRequests == 0 }
            let metrics = try await HTTPExchange(operator: plane, token: plane.ownerToken).get("/metrics")
            let page = String(decoding: metrics.body, as: UTF8.self)
            #expect(!page.contains(#"status="5xx""#), "a client that goes away is no failure of ours")
        }
    }

    @Test func `a connection goes on after a poll that was held`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            for _ in 0..<3 { #expect(try await agent.poll(waitSeconds: 0.05, freeSlots: 1).status == 200) }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a held poll hears at once that its agent is to drain`() async throws {
        try await TestControlPlane.run { plane in
            let answer = try await answer(to: try await plane.agent(), after: "drain", plane)
            #expect(answer.directives == [.drain])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a held poll that can no longer be refused says nothing, and the next one is refused`() async throws {
        try await TestControlPlane.run { plane in
            let agent = try await plane.agent()
            let answer = try await answer(to: agent, after: "revoke", plane)
            #expect(answer.assignments.isEmpty && answer.directives.isEmpty)
            #expect(try await agent.poll().code == .agentRevoked)
        }
    }

    /// To a poll that is held until the owner does that to its agent.
    private func answer(
        to agent: TestAgent, after verb: String, _ plane: TestControlPlane
    ) async throws -> AgentAPI.PollResponse {
        let owner = try HTTPExchange(operator: plane, token: plane.ownerToken)
        return try await withThrowingTaskGroup(of: TestAgent.Answer.self) { group in
            group.addTask { try await agent.poll(waitSeconds: 25, freeSlots: 1) }
            try await eventually("the poll is held") { plane.controlPlane.heldRequests == 1 }
            #expect(try await owner.send("POST", "/api/v1/agents/\(agent.id)/\(verb)").status == 200)
            // Long before the 25 s for which it would be held.
            try await eventually("the poll is answered") { plane.controlPlane.heldRequests == 0 }
            let answer = try #require(try await group.next())
            #expect(answer.status == 200)
            return try WireCoding.decode(AgentAPI.PollResponse.self, from: answer.body)
        }
    }
}
