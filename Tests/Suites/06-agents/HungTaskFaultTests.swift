import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

/// An agent that lives and polls, with a task that never ends.
@Suite(.timeLimit(.minutes(2))) struct HungTaskFaultTests {
    @Test func `a task that outlives its timeout, and that its agent does not end, is taken back and done elsewhere`()
        async throws
    {
        var settings = Fleet.Settings()
        // No lease ends here, however slow the machine is: only the task's own time.
        settings.startLease = 60
        settings.heldLease = 60
        try await Fleet.up(settings) { fleet in
            let ca = try String(contentsOf: fleet.control.appending(path: "ca.pem"), encoding: .utf8)
            let grant = try await fleet.client.createJoinToken(.init(pool: "local", ttlSeconds: 600))
            let stuck = try await WireAgent.join(
                url: fleet.agentURL, ca: ca, token: grant.token, pool: "local", name: "stuck")
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await take(from: stuck, in: fleet)) } catch { outcome = .failure(error) }
            try await stuck.close()
            try outcome.get()
        }
    }

    private func take(from stuck: WireAgent, in fleet: Fleet) async throws {
        let run = try await fleet.run("timed")
        let held = try #require(try await stuck.hold())
        try await FaultTally.fault("task.hung") {
            // It prolongs its lease all the time, so that is not what ends it.
            let told = try await until("the agent is told to end it", within: .seconds(30)) {
                try await stuck.prolong(held).first
            }
            try #require(told.attempt == held.attempt && told.reason == .leaseLost)
            let first = try #require(try await fleet.attempts(run).first)
            try #require(first.state == .timedOut && first.error?.code == "deadline_exceeded")
            try #require(try await !stuck.finish(held), "it comes too late")
            _ = try await fleet.agent("other").start()
            let ended = try await fleet.ended(run)
            try #require(ended.state == .succeeded)
            try #require(ended.tasks?[0].attempts.map(\.state) == [.timedOut, .succeeded])
        }
    }
}
