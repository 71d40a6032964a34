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

    @Test func `certificates that were issued after the backup of a restored control plane are entered again`() async throws {
        try await withFleet { fleet in
            let known = try await fleet.join(try await fleet.token()).agent
            let revoked = try await fleet.join(try await fleet.token()).agent
            _ = try await fleet.registry.revoke(revoked, by: .system("test"))
            let madeAt = fleet.clock.now
            let copy = fleet.folder.appending(path: "copy.db").path
            _ = try fleet.store.copy(to: copy)
            fleet.clock.advance(3600)
            let restoredAt = fleet.clock.now
            var options = Store.Options()
            options.now = { [clock = fleet.clock] in clock.now }
            options.restoration = Restoration(backup: "b", madeAt: madeAt, restoredAt: restoredAt)
            let store = try Store(path: copy, options: options)
            let registry = AgentRegistry(
                store: store, trustDomain: "test.flowforge", settings: FleetSettings(agentURL: ""),
                refusals: RefusalTrail(store: store, logger: TestControlPlane.quietLogger()))
            let day = 86_400.0
            for _ in 0..<2 {
                _ = try await registry.authorize(
                    serial: "01", notAfter: madeAt + 1800 + day, agent: known, pool: "test")
            }
            #expect(try await store.read { try $0.audit.list(action: "agent.certificate.adopt", limit: 9).count } == 1)
            for (serial, notAfter, agent, pool) in [
                // It could have been issued after the restore, and was not.
                ("02", restoredAt + day + 600, known, "test"), ("03", madeAt + 1800 + day, ID<Agent>.make(), "test"),
                ("04", madeAt + 1800 + day, known, "other"), ("05", madeAt + 1800 + day, revoked, "test"),
            ] {
                await fleet.expectRefusal(.certificateUnknown) {
                    try await registry.authorize(serial: serial, notAfter: notAfter, agent: agent, pool: pool)
                }
            }
            try store.close()
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
