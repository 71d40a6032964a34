import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// Agents behind a line that is cut, swallows or loses: in a network namespace of their own.
@Suite(
    .serialized, .enabled(if: Cable.obstacle == nil, Comment(rawValue: Cable.obstacle ?? "cables can be laid")),
    .timeLimit(.minutes(2)))
struct NetworkFaultTests {
    private func fleet(_ body: @Sendable @escaping (Fleet, Cable) async throws -> Void) async throws {
        try await Cable.laid { cable in
            var settings = Fleet.Settings()
            settings.host = cable.host
            try await Fleet.up(settings) { try await body($0, cable) }
        }
    }

    @Test func `a line that is cut for a moment costs nothing`() async throws {
        try await fleet { fleet, cable in
            let far = try await FleetAgent.join(fleet, name: "far", namespace: cable.namespace)
            _ = try await far.start()
            let run = try await fleet.run("gated")
            try await fleet.trace("start")
            for _ in 1...FaultTally.rounds(1, long: 5) {
                try await FaultTally.fault("network.cut") {
                    try await cable.pull()
                    try await Task.sleep(for: .seconds(2))
                    try await cable.mend()
                    let polled = try await fleet.client.agent(far.id).lastPollAt
                    try await until("the agent polls again", within: .seconds(15)) {
                        try await fleet.client.agent(far.id).lastPollAt != polled ? true : nil
                    }
                }
            }
            try fleet.go()
            let ended = try await fleet.ended(run)
            #expect(ended.state == .succeeded && ended.tasks?[0].attempts.count == 1)
            try await expectWholeLog(of: run, in: fleet)
        }
    }

    @Test(arguments: [false, true])
    func `behind a line that is cut for long work goes elsewhere, and is not done twice`(silently: Bool) async throws {
        try await fleet { fleet, cable in
            let far = try await FleetAgent.join(fleet, name: "far", namespace: cable.namespace)
            _ = try await far.start()
            let run = try await fleet.run("gated")
            let first = try await fleet.trace("start")
            let near = try await fleet.agent("near")
            _ = try await near.start()
            try await FaultTally.fault(silently ? "network.swallow" : "network.cut_long") {
                try await silently ? cable.swallow() : cable.pull()
                let second = try await fleet.trace("start", count: 2, within: .seconds(45))
                #expect(second[4].contains("/near/") && second[2] != first[2])
                try await cable.mend()
                // The zombie hears that its lease is gone and ends its task before the gate opens.
                try await until("the zombie's task ends", within: .seconds(40)) {
                    processes(mentioning: first[4]).isEmpty ? true : nil
                }
                try fleet.go()
                let ended = try await fleet.ended(run)
                try #require(ended.state == .succeeded)
                try #require(ended.tasks?[0].attempts.map(\.state) == [.lost, .succeeded])
                try #require(fleet.traces("end").map { $0[2] } == [second[2]])
            }
            try await expectWholeLog(of: run, in: fleet)
        }
    }

    @Test func `over a slow line that loses packets everything arrives, once and in order`() async throws {
        try await fleet { fleet, cable in
            let far = try await FleetAgent.join(fleet, name: "far", namespace: cable.namespace)
            let daemon = try await far.start()
            try await FaultTally.fault("network.slow_lossy") {
                print("the line: \(try await cable.worsen())")
                let chain = try await fleet.run("chain")
                let many = try await fleet.run("quick")
                for run in [chain, many] {
                    let ended = try await fleet.ended(run, within: .seconds(60))
                    try #require(ended.state == .succeeded, "\(ended)")
                    try #require(ended.tasks?.allSatisfy { $0.attempts.count == 1 } == true, "\(ended)")
                }
                let lines = try await fleet.log(many)
                try #require(lines.filter { ["one", "two", "three"].contains($0) } == ["one", "two", "three"])
            }
            try await cable.mend()
            daemon.send(SIGTERM)
            #expect(try await daemon.end() == 0)
        }
    }

    /// Lines that the gated task counted are there without a gap or a repetition, for each attempt.
    private func expectWholeLog(of run: ID<Run>, in fleet: Fleet) async throws {
        let lines = try await fleet.client.logs(of: run, limit: 500).lines
        for (_, lines) in Dictionary(grouping: lines, by: \.attempt) {
            let counted = lines.map(\.line.text).filter { $0.hasPrefix("line ") }
            #expect(counted == counted.indices.map { "line \($0)" })
        }
    }
}
