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
            for round in 1...FaultTally.rounds(1, long: 5) {
                let child = try await fleet.trace("child", count: round)
                try await FaultTally.fault("agent.kill") {
                    try await daemon.kill9()
                    // The task and its child ignore every signal but one, and the child has left the session.
                    try await until("processes of the task end", within: .seconds(5)) {
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

    private func isAlive(_ pid: String) -> Bool { Int32(pid).map { kill($0, 0) == 0 } ?? false }
}
