import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Testing

@Suite struct RegistryTests {
    @Test func `an agent is online for a minute after its last poll`() async throws {
        try await withFleet { fleet in
            let agent = try await fleet.join(try await fleet.token()).agent
            #expect(try await fleet.registry.show(agent).state == .offline)
            _ = try await fleet.store.write { try $0.agents.recordPoll(agent, TestAgent.pollRequest()) }
            #expect(try await fleet.registry.show(agent).state == .online)
            fleet.clock.advance(59)
            #expect(try await fleet.registry.show(agent).state == .online)
            fleet.clock.advance(1)
            #expect(try await fleet.registry.show(agent).state == .offline)
        }
    }

    @Test func `draining is said to the agent and taken back`() async throws {
        try await withFleet { fleet in
            let agent = try await fleet.join(try await fleet.token()).agent
            #expect(try await fleet.registry.drain(agent, by: .system("test")).state == .draining)
            #expect(try await fleet.registry.drain(agent, by: .system("test")).state == .draining)
            #expect(try await fleet.store.write { try $0.agents.recordPoll(agent, TestAgent.pollRequest()) } == .draining)
            #expect(try await fleet.registry.resume(agent, by: .system("test")).state == .online)
            let actions = try await fleet.store.read { try $0.audit.list(subject: agent.description, limit: 10).map(\.action) }
            #expect(actions == ["agent.join", "agent.drain", "agent.resume"])
        }
    }

    @Test func `revoking is for good`() async throws {
        try await withFleet { fleet in
            let grant = try await fleet.join(try await fleet.token())
            #expect(try await fleet.registry.revoke(grant.agent, by: .system("test")).state == .revoked)
            await fleet.expectRefusal(.agentRevoked) { try await fleet.authorize(grant) }
            await fleet.expectRefusal(.conflict) { _ = try await fleet.registry.resume(grant.agent, by: .system("test")) }
            #expect(try await fleet.store.write { try $0.agents.recordPoll(grant.agent, TestAgent.pollRequest()) } == .revoked)
            #expect(try await fleet.registry.show(grant.agent).lastPollAt == nil)
        }
    }

    @Test func `a certificate of our CA that was never issued is refused`() async throws {
        try await withFleet { fleet in
            await fleet.expectRefusal(.certificateUnknown) {
                _ = try await fleet.registry.authorize(
                    serial: "0badc0de", notAfter: fleet.clock.now.addingTimeInterval(60), agent: .make(), pool: "test")
            }
        }
    }

    @Test func `a certificate does not speak for another pool or agent`() async throws {
        try await withFleet { fleet in
            let mine = try fleet.certificate(try await fleet.join(try await fleet.token()))
            let other = try await fleet.join(try await fleet.token(pool: "other"), pool: "other")
            for (agent, pool) in [(mine.spiffeID.agent, "other"), (other.agent, "test"), (other.agent, "other")] {
                await fleet.expectRefusal(.certificateUnknown) {
                    _ = try await fleet.registry.authorize(
                        serial: mine.serial, notAfter: mine.notAfter, agent: agent, pool: pool)
                }
            }
        }
    }

    @Test func `a list goes on where its page ended`() async throws {
        try await withFleet { fleet in
            let token = try await fleet.token(uses: 5)
            var joined: [ID<Agent>] = []
            for _ in 0..<5 { joined.append(try await fleet.join(token).agent) }
            var listed: [ID<Agent>] = []
            var after: String?
            repeat {
                let page = try await fleet.registry.list(after: after, limit: 2)
                listed += page.items.map(\.id)
                after = page.next
            } while after != nil
            #expect(Set(listed) == Set(joined))
            #expect(listed.count == 5)
            await fleet.expectRefusal(.invalidRequest) { _ = try await fleet.registry.list(after: "nonsense") }
        }
    }

    @Test(arguments: [
        OperatorAPI.CreateJoinToken(pool: "Not A Pool"), .init(pool: ""), .init(pool: "p", ttlSeconds: 0),
        .init(pool: "p", ttlSeconds: 31 * 86_400), .init(pool: "p", uses: 0), .init(pool: "p", uses: -1),
    ])
    func `a join token with an impossible pool, life or number of uses is not made`(request: OperatorAPI.CreateJoinToken)
        async throws
    {
        try await withFleet { fleet in
            await fleet.expectRefusal(.invalidRequest) { _ = try await fleet.tokens.create(request, by: .system("test")) }
        }
    }
}
