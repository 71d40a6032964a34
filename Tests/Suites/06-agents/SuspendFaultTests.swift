import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// A machine that stands still for longer than its lease, and a control plane that does.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SuspendFaultTests {
    private func signal(_ signal: Int32, all text: String) {
        for process in processes(mentioning: text) {
            if let pid = Int32(process.prefix { $0 != ":" }) { kill(pid, signal) }
        }
    }

    @Test func `work of a suspended machine runs elsewhere, and it finds its lease gone when it wakes up`() async throws {
        try await Fleet.up { fleet in
            let sleeper = try await fleet.agent("sleeper")
            _ = try await sleeper.start()
            let run = try await fleet.run("gated")
            let first = try await fleet.trace("start")
            _ = try await fleet.agent("other").start()
            try await FaultTally.fault("agent.suspend") {
                // The whole machine: the agent, its launcher and the task.
                signal(SIGSTOP, all: sleeper.state.path)
                let second = try await fleet.trace("start", count: 2, within: .seconds(45))
                signal(SIGCONT, all: sleeper.state.path)
                try await until("the task of the suspended machine ends", within: .seconds(20)) {
                    processes(mentioning: first[4]).isEmpty ? true : nil
                }
                try fleet.go()
                let ended = try await fleet.ended(run)
                try #require(
                    ended.state == .succeeded && ended.tasks?[0].attempts.map(\.state) == [.lost, .succeeded], "\(ended)")
                try #require(fleet.traces("end").map { $0[2] } == [second[2]])
            }
        }
    }

    @Test func `an outcome that comes after the lease is refused as stale`() async throws {
        try await Fleet.up { fleet in
            let sleeper = try await fleet.agent("sleeper")
            let daemon = try await sleeper.start()
            let run = try await fleet.run("gated")
            let first = try await fleet.trace("start")
            _ = try await fleet.agent("other").start()
            try await FaultTally.fault("agent.late_outcome") {
                // The agent alone: its task goes on and comes to its end.
                daemon.send(SIGSTOP)
                let second = try await fleet.trace("start", count: 2, within: .seconds(45))
                try fleet.go()
                try #require(try await fleet.ended(run).state == .succeeded)
                try await until("the zombie's task ends", within: .seconds(10)) {
                    fleet.traces("end").count == 2 ? true : nil
                }
                daemon.send(SIGCONT)
                // Log lines or the outcome itself, whichever came first, under the lease that is gone.
                try await until("the late report is refused", within: .seconds(20)) {
                    try await fleet.refusals("attempt.report").contains("stale_lease") ? true : nil
                }
                let ended = try await fleet.client.run(run)
                try #require(ended.tasks?[0].attempts.map(\.state) == [.lost, .succeeded])
                try #require(ended.tasks?[0].attempts[1].id.description == second[2] && first[2] != second[2])
            }
        }
    }

    @Test func `while the control plane is away tasks finish, and their results arrive afterwards, once`() async throws {
        try await Fleet.up { fleet in
            _ = try await fleet.agent("one").start()
            for round in 1...FaultTally.rounds(1, long: 3) {
                let ahead = try await fleet.run("gated")
                try await fleet.trace("start", count: 2 * round - 1)
                let going = try await fleet.run("gated")
                try await fleet.trace("start", count: 2 * round)
                try await FaultTally.fault("control_plane.away") {
                    try await fleet.controlPlane.kill9()
                    // Longer than the leases last.
                    try await Task.sleep(for: .seconds(fleet.settings.heldLease + 2))
                    try fleet.go()
                    try await until("both tasks end although nobody hears them") {
                        fleet.traces("end").count == 2 * round ? true : nil
                    }
                    try await fleet.startControlPlane()
                    for run in [ahead, going] {
                        let ended = try await fleet.ended(run)
                        try #require(ended.state == .succeeded && ended.tasks?[0].attempts.map(\.state) == [.succeeded])
                        let counted = try await fleet.log(run).filter { $0.hasPrefix("line ") }
                        try #require(counted == counted.indices.map { "line \($0)" })
                    }
                    try #require(fleet.traces("start").count == 2 * round)
                }
                try fleet.close()
            }
        }
    }
}
