import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// The agent's process dies; what it ran ends with it and is done again.
@Suite(.timeLimit(.minutes(2))) struct AgentDeathFaultTests {
    @Test func `a killed agent takes its task's whole tree with it, and the attempt costs no retry`() async throws {
        try await Fleet.up { fleet in
            let agent = try await fleet.agent("one")
            var daemon = try await agent.start()
            let run = try await fleet.run("daemonizing")
            // The fourth loss would fail the task.
            for round in 1...FaultTally.rounds(1, long: 3) {
                let child = try await fleet.trace("child", count: round)
                try await FaultTally.fault("agent.kill") {
                    try await daemon.kill9()
                    // The task and its child ignore every signal but one, and the child has left the session.
                    try await until("processes of the task end", within: .seconds(20)) {
                        processes(mentioning: agent.state.path).isEmpty && !isAlive(child[1]) ? true : nil
                    }
                    daemon = try await agent.start()
                    // The manifest allows no retry.
                    let attempts = try await until("attempt \(round) is lost") {
                        let attempts = try await fleet.attempts(run)
                        return attempts.count > round ? attempts : nil
                    }
                    #expect(attempts[round - 1].state == .lost && attempts[round - 1].error?.code == "agent_restarted")
                }
            }
            _ = try await fleet.client.cancelRun(run)
            #expect(try await fleet.ended(run).state == .cancelled)
        }
    }

    @Test func `at default settings work of an agent that died runs elsewhere within 30 s`() async throws {
        var settings = Fleet.Settings()
        settings.hasDefaultLeases = true
        try await Fleet.up(settings) { fleet in
            let dying = try await fleet.agent("dying")
            let daemon = try await dying.start()
            let run = try await fleet.run("gated")
            try await fleet.trace("start")
            _ = try await fleet.agent("other").start()
            try await FaultTally.fault("agent.kill_for_good") {
                let died = Date()
                try await daemon.kill9()
                let second = try await fleet.trace("start", count: 2, within: .seconds(60))
                try fleet.go()
                let ended = try await fleet.ended(run)
                try #require(ended.state == .succeeded && ended.tasks?[0].attempts.map(\.state) == [.lost, .succeeded])
                // As the control plane saw it, not when this test looked.
                let took = try #require(ended.tasks?[0].attempts[1].startedAt).timeIntervalSince(died)
                print("death of an agent to its work running elsewhere: \(took) s")
                try #require(took < 30 && second[4].contains("/other/"))
            }
        }
    }

    private func isAlive(_ pid: String) -> Bool { Int32(pid).map { kill($0, 0) == 0 } ?? false }
}
