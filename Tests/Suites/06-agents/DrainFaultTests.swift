import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

@Suite(.timeLimit(.minutes(2))) struct DrainFaultTests {
    @Test func `a draining agent finishes what it runs, takes nothing new, and stops with nothing unsaid`() async throws {
        try await Fleet.up { fleet in
            let agent = try await fleet.agent("old")
            let daemon = try await agent.start()
            let running = try await fleet.run("gated")
            try await fleet.trace("start")
            try await FaultTally.fault("agent.drain") {
                _ = try await fleet.client.drainAgent(agent.id)
                let waiting = try await fleet.run("quick")
                try fleet.go()
                try #require(try await fleet.ended(running).state == .succeeded)
                // Both of its slots are free.
                try #require(try await fleet.attempts(waiting).isEmpty)
                daemon.send(SIGTERM)
                try #require(try await daemon.end() == 0)
                try #require(!daemon.said.contains("reports unsent"))
                // The work that it did not take is another's, or its own after `resume`.
                _ = try await fleet.agent("new").start()
                try #require(try await fleet.ended(waiting).state == .succeeded)
            }
        }
    }

    @Test func `a stop in the middle of a task ends and reports it, and costs no retry`() async throws {
        try await Fleet.up { fleet in
            var agent = try await fleet.agent("one")
            agent.settings = "slots: 2"
            agent.grace = "1s"
            let daemon = try await agent.start()
            let run = try await fleet.run("gated")
            let first = try await fleet.trace("start")
            try await FaultTally.fault("agent.stop") {
                daemon.send(SIGTERM)
                try #require(try await daemon.end() == 0)
                try #require(processes(mentioning: first[4]).isEmpty)
                let attempts = try await fleet.attempts(run)
                try #require(attempts.first?.state == .cancelled && attempts.first?.error?.code == "agent_stopped", "\(attempts)")
                _ = try await agent.start()
                try await fleet.trace("start", count: 2)
                try fleet.go()
                let ended = try await fleet.ended(run)
                try #require(ended.state == .succeeded && ended.tasks?[0].attempts.count == 2)
            }
        }
    }
}
