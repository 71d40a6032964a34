import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Files and tables that change while a run goes on are read by one that follows.
@Suite(.timeLimit(.minutes(1))) struct WaitingUpdatesTests {
    private func plane(_ overlap: TriggerSpec.Overlap = .skip) async throws -> TriggerPlane {
        let it = try await TriggerPlane()
        let file = TriggerSpec(name: "landing", file: FileArrivalSpec(path: "/in/*.csv", everySeconds: 5), overlap: overlap)
        try await it.deploy(["a": [file]])
        return it
    }

    private func arrive(_ names: String..., of agent: TestAgent) async throws {
        let watch = try #require(try await agent.poll(free: 0).watches?.only)
        let files = names.map { AgentAPI.ArrivedFile(name: $0, size: 5, digest: "d-\($0)") }
        try await agent.report(.arrived(.init(trigger: watch.trigger, fencing: watch.fencing, files: files)), of: nil)
    }

    @Test func `files that come while a run goes on wait for its end, and are one run`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        try await arrive("1.csv", of: agent)
        try await it.clock.fireDue()
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        try await arrive("2.csv", of: agent)
        try await it.clock.fireDue()
        try await arrive("3.csv", of: agent)
        #expect(try await it.clock.fireDue() == TriggerPlane.start + TickFiring.longestHold)
        #expect(try await it.ticks("landing").map(\.outcome) == [.fired, .waiting])
        try await agent.report(.finished(agent.success("bronze.a")), of: work)
        try await it.clock.fireDue()
        let ticks = try await it.ticks("landing")
        #expect(ticks.map(\.outcome) == [.fired, .fired] && ticks.last?.count == 2)
        #expect(try await it.runs().count == 2)
    }

    @Test func `what joined a run that was cancelled before it began gets another`() async throws {
        let it = try await plane(.queue)
        let agent = try await it.plane.agent()
        try await arrive("1.csv", of: agent)
        try await it.clock.fireDue()
        let run = try #require(try await it.runs().only)
        try await arrive("2.csv", "3.csv", of: agent)
        #expect(try await it.ticks("landing").last?.reason?.hasPrefix("joined: ") == true)
        _ = try await it.plane.starter.cancel(run.id, by: .principal("ada"))
        try await it.clock.fireDue()
        let last = try #require(try await it.ticks("landing").last)
        #expect(last.outcome == .fired && last.count == 2 && last.cause?["run"]?.string == run.id.description)
        // Without anything that joined it, a cancelled run is not replaced.
        _ = try await it.plane.starter.cancel(try #require(last.run), by: .principal("ada"))
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 2)
    }

    @Test func `nothing joins a run of an older release`() async throws {
        let it = try await plane(.queue)
        let agent = try await it.plane.agent()
        try await arrive("1.csv", of: agent)
        try await it.clock.fireDue()
        let file = TriggerSpec(name: "landing", file: FileArrivalSpec(path: "/in/*.csv", everySeconds: 5))
        try await it.deploy(["a": [file]], version: "3")
        try await arrive("2.csv", of: agent)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 2)
    }

    @Test func `files that arrive in a pause are recorded, and not run afterwards`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        let id = try await it.trigger("landing").id
        _ = try await it.triggers.pause(id, by: .principal("ada"))
        try await arrive("1.csv", of: agent)
        _ = try await it.triggers.resume(id, by: .principal("ada"))
        try await arrive("1.csv", of: agent)
        try await it.clock.fireDue()
        #expect(try await it.ticks("landing").only?.reason == "paused")
        try await arrive("2.csv", of: agent)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
    }

    @Test func `a poll that is held goes on telling what to look for`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        let watch = try #require(try await agent.poll(free: 0).watches?.only)
        // The second look at the same poll hands out no watches of its own.
        async let held = agent.poll(free: 1, wait: 20)
        try await it.plane.wakeUps.untilParked(1)
        try await it.plane.start(flow: "a")
        let answer = try await held
        #expect(answer.assignments.count == 1 && answer.watches == [watch])
    }
}
