import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeStore

@Suite(.timeLimit(.minutes(1))) struct DeafnessQueryTests {
    private final class Clock: Sendable {
        private let time = Mutex(Date(timeIntervalSince1970: 1_000_000))
        var now: Date { time.withLock { $0 } }
        func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
    }

    /// A store with one agent that has just polled.
    private func fixture() async throws -> (TemporaryStore, Clock, ID<Agent>) {
        let clock = Clock()
        let temporary = try TemporaryStore { $0.now = { clock.now } }
        let agent = ID<Agent>.make()
        try await temporary.store.write { try $0.agents.insert(agent, name: "a", pool: "p", agentVersion: "1") }
        try await poll(temporary, agent)
        return (temporary, clock, agent)
    }

    private func poll(_ temporary: TemporaryStore, _ agent: ID<Agent>) async throws {
        try await temporary.store.write {
            _ = try $0.agents.recordPoll(agent, AgentAPI.PollRequest(freeSlots: 1, slots: 1, engines: []))
        }
    }

    /// Work is given, the agent polls, and the start does not come.
    private func miss(_ temporary: TemporaryStore, _ clock: Clock, _ agent: ID<Agent>, polls: Bool = true) async throws {
        let leasedAt = clock.now
        clock.advance(5)
        if polls { try await poll(temporary, agent) }
        clock.advance(10)
        for _ in 1...2 { try await temporary.store.write { try $0.deafness.startMissed(agent, leasedAt: leasedAt) } }
    }

    private func audited(_ temporary: TemporaryStore, _ action: String) async throws -> Int {
        try await temporary.store.read { try $0.audit.list(action: action, limit: 100) }.count
    }

    @Test func `an agent that starts nothing is given nothing, then a probe, and recovers by it`() async throws {
        let (temporary, clock, agent) = try await fixture()
        let store = temporary.store
        for _ in 1...2 { try await miss(temporary, clock, agent) }
        #expect(try await store.read { try $0.deafness.allowance(agent) } == .max)
        try await miss(temporary, clock, agent)
        #expect(try await store.read { try $0.deafness.allowance(agent) } == 0)
        #expect(try await store.read { try $0.agents.find(agent)?.deafness?.missed } == 3)
        #expect(try await store.read { try $0.figures.agents(presence: .seconds(60)) } == [.deaf: 1])
        clock.advance(29)
        #expect(try await store.read { try $0.deafness.allowance(agent) } == 0)
        clock.advance(1)
        #expect(try await store.read { try $0.deafness.allowance(agent) } == 1)
        try await miss(temporary, clock, agent)
        clock.advance(59)
        #expect(try await store.read { try $0.deafness.allowance(agent) } == 0)
        clock.advance(1)
        #expect(try await store.read { try $0.deafness.allowance(agent) } == 1)
        #expect(try await audited(temporary, "agent.deaf") == 1)
        try await store.write { try $0.deafness.started(agent) }
        #expect(try await store.read { try $0.deafness.allowance(agent) } == .max)
        #expect(try await audited(temporary, "agent.hear") == 1)
        // It begins anew.
        for _ in 1...2 { try await miss(temporary, clock, agent) }
        #expect(try await store.read { try $0.deafness.allowance(agent) } == .max)
    }

    @Test func `an agent that is gone is not deaf`() async throws {
        let (temporary, clock, agent) = try await fixture()
        for _ in 1...5 { try await miss(temporary, clock, agent, polls: false) }
        #expect(try await temporary.store.read { try $0.deafness.find(agent) } == nil)
    }
}
