import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// File triggers: one agent of the pool looks, and each set of new files is one run.
@Suite(.timeLimit(.minutes(1))) struct FileArrivalTests {
    private func plane(fault: (@Sendable (Store.FaultPoint) throws -> Void)? = nil) async throws -> TriggerPlane {
        let it = try await TriggerPlane(fault: fault)
        let trigger = TriggerSpec(name: "landing", file: FileArrivalSpec(path: "${variables.raw_dir}/in/*.csv", everySeconds: 5))
        let variable = ParameterSpec(name: "raw_dir", type: .path, defaultValue: "/srv/raw")
        try await it.deploy(["a": [trigger]], variables: [variable])
        return it
    }

    private func arrival(_ watch: AgentAPI.Watch, _ names: String...) -> AgentAPI.ReportBody {
        .arrived(
            .init(
                trigger: watch.trigger, fencing: watch.fencing, files: names.map { .init(name: $0, size: 5, digest: "d-\($0)") }))
    }

    @Test func `one agent of the pool looks, another when it is not heard from any more`() async throws {
        let it = try await plane()
        let (one, two) = (try await it.plane.agent("one"), try await it.plane.agent("two"))
        let stranger = try await it.plane.agent("three", pool: "other")
        let watch = try #require(try await one.poll(free: 0).watches?.only)
        #expect(watch.pattern == "/srv/raw/in/*.csv" && watch.everySeconds == 5)
        #expect(try await two.poll(free: 0).watches == nil)
        #expect(try await stranger.poll(free: 0).watches == nil)
        it.plane.time.advance(60)
        #expect(try await one.poll(free: 0).watches == [watch])
        it.plane.time.advance(60)
        #expect(try await two.poll(free: 0).watches == nil, "the first has polled since")
        it.plane.time.advance(91)
        let next = try #require(try await two.poll(free: 0).watches?.only)
        #expect(next.trigger == watch.trigger && next.fencing > watch.fencing)
        #expect(try await one.poll(free: 0).watches == nil)
    }

    @Test func `agents of the pool that the flow asks for look, of another from the release on that asks for it`() async throws {
        let it = try await TriggerPlane(pools: ["large": "giants"])
        let (own, large) = (try await it.plane.agent("own"), try await it.plane.agent("large", pool: "giants"))
        let trigger = TriggerSpec(name: "landing", file: FileArrivalSpec(path: "/in/*.csv", everySeconds: 5))
        try await it.deploy(["a": [trigger]])
        #expect(try await own.poll(free: 0).watches?.count == 1)
        try await it.deploy(["a": [trigger]], version: "3", pool: "large")
        #expect(try await own.poll(free: 0).watches == nil)
        #expect(try await large.poll(free: 0).watches?.count == 1)
    }

    @Test func `files that are new start one run, and are not new again`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        let watch = try #require(try await agent.poll(free: 0).watches?.only)
        try await agent.report(arrival(watch, "a.csv", "b.csv"), of: nil)
        try await agent.report(arrival(watch, "a.csv", "b.csv"), of: nil)
        try await it.clock.fireDue()
        let tick = try #require(try await it.ticks("landing").only)
        #expect(tick.outcome == .fired && tick.count == 2 && tick.cause?["names"] == ["a.csv", "b.csv"])
        #expect(try await it.runs().only?.cause == .file)
        try await it.finish("a")
        try await agent.report(arrival(watch, "b.csv", "c.csv"), of: nil)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 2)
        #expect(try await it.ticks("landing").last?.count == 1)
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a report that is sent again makes no second run`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let it = try await plane(fault: { try trap.check($0) })
        let agent = try await it.plane.agent()
        let watch = try #require(try await agent.poll(free: 0).watches?.only)
        let batch = agent.events([arrival(watch, "a.csv")], of: nil)
        trap.arm(point)
        await #expect(throws: Trap.Planned.self) { try await agent.send(batch) }
        try await agent.send(batch)
        try await agent.send(batch)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
    }

    @Test func `who looks no more is not listened to, and who takes over tells everything once more`() async throws {
        let it = try await plane()
        let (one, two) = (try await it.plane.agent("one"), try await it.plane.agent("two"))
        let old = try #require(try await one.poll(free: 0).watches?.only)
        try await one.report(arrival(old, "a.csv"), of: nil)
        it.plane.time.advance(91)
        let new = try #require(try await two.poll(free: 0).watches?.only)
        try await one.report(arrival(old, "late.csv"), of: nil)
        try await two.report(arrival(new, "a.csv"), of: nil)
        let forged = AgentAPI.Watch(trigger: new.trigger, fencing: new.fencing, pattern: "", everySeconds: 1)
        try await one.report(arrival(forged, "forged.csv"), of: nil)
        let unknown = AgentAPI.Watch(trigger: .make(), fencing: 1, pattern: "", everySeconds: 1)
        try await one.report(arrival(unknown, "x"), of: nil)
        try await it.clock.fireDue()
        #expect(try await it.ticks("landing").only?.cause?["names"] == ["a.csv"])
    }

    @Test func `files that come while the run has not begun belong to it`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        let watch = try #require(try await agent.poll(free: 0).watches?.only)
        try await agent.report(arrival(watch, "a.csv"), arrival(watch, "b.csv"), of: nil)
        try await it.clock.fireDue()
        try await agent.report(arrival(watch, "c.csv"), of: nil)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
        #expect(try await it.ticks("landing").map(\.count) == [2, 1])
    }

    @Test func `nobody looks for a trigger that is gone`() async throws {
        let it = try await plane()
        let agent = try await it.plane.agent()
        #expect(try await agent.poll(free: 0).watches?.count == 1)
        try await it.deploy(["a": []], version: "3")
        #expect(try await agent.poll(free: 0).watches == nil)
    }
}
