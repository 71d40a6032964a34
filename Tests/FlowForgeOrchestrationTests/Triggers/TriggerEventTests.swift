import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Triggers that wait for something to happen, and what deployments do to triggers.
@Suite(.timeLimit(.minutes(1))) struct TriggerEventTests {
    private func upstream(
        _ flow: String, _ on: UpstreamSpec.Condition = .success, delay: Double = 0, bundle: String? = nil, name: String = "after"
    ) -> TriggerSpec {
        TriggerSpec(name: name, upstream: UpstreamSpec(bundle: bundle, flow: flow, on: on, delaySeconds: delay))
    }

    @Test(arguments: [
        (UpstreamSpec.Condition.success, Outcome.succeeded, true), (.success, .failed, false), (.failure, .failed, true),
        (.failure, .succeeded, false), (.completion, .succeeded, true), (.completion, .failed, true),
    ]) func `a flow starts when the runs of another end as it wants`(
        on: UpstreamSpec.Condition, outcome: Outcome, starts: Bool
    ) async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [], "b": [upstream("a", on)]])
        try await it.plane.start(flow: "a")
        let run = try await it.finish("a", outcome)
        try await it.clock.fireDue()
        let started = try await it.runs(of: "b")
        #expect(started.count == (starts ? 1 : 0))
        let tick = try await it.ticks("after").only
        #expect((tick?.outcome == .fired) == starts)
        if let tick {
            #expect(tick.run == started.first?.id && tick.cause?["run"]?.string == run.id.description)
        }
    }

    @Test func `a delay is waited for, across a restart of everything but the store`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [], "b": [upstream("a", delay: 300)]])
        try await it.plane.start(flow: "a")
        try await it.finish("a")
        #expect(try await it.clock.fireDue() == TriggerPlane.start + 300)
        #expect(try await it.ticks("after").only?.outcome == .waiting)
        it.plane.time.advance(299)
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").isEmpty)
        it.plane.time.advance(1)
        for _ in 0..<3 { try await it.clock.fireDue() }
        #expect(try await it.runs(of: "b").count == 1)
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a report that is repeated, and a firing that failed, start one run`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let it = try await TriggerPlane(fault: { try trap.check($0) })
        try await it.deploy(["a": [], "b": [upstream("a", name: "after"), upstream("a", delay: 1, name: "later")]])
        try await it.plane.start(flow: "a")
        let agent = try await it.plane.agent()
        let work = try await agent.take()
        let batch = agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.a"))], of: work)
        trap.arm(point)
        await #expect(throws: Trap.Planned.self) { try await agent.send(batch) }
        try await agent.send(batch)
        try await agent.send(batch)
        trap.arm(point)
        try await it.clock.fireDue()
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").count == 2)
        #expect(try await it.ticks("after").map(\.outcome) == [.fired])
        #expect(try await it.ticks("later").map(\.outcome) == [.fired])
    }

    @Test func `an accepted snapshot starts a flow, and several before it begins are one run`() async throws {
        let it = try await TriggerPlane()
        let asset = try #require(AssetName("bronze.a"))
        try await it.deploy(["a": [], "b": [TriggerSpec(name: "fresh", asset: AssetUpdateSpec(name: asset))]])
        for _ in 0..<2 {
            try await it.plane.start(flow: "a")
            try await it.finish("a")
        }
        // Both came while the tick waited.
        try await it.clock.fireDue()
        let run = try #require(try await it.runs(of: "b").only)
        #expect(try await it.ticks("fresh").only?.count == 2)
        // The run waits for an agent: what comes now, it will read.
        try await it.plane.start(flow: "a")
        let agent = try await it.plane.agent()
        let b = try await agent.take()
        #expect(b.flow == "b", "it is the older one")
        let a = try await agent.take()
        try await agent.succeed(a, output: "bronze.a")
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").count == 2, "the first run had begun and could not read it")
        #expect(try await it.runs(of: "b").contains { $0.id == run.id })
    }

    @Test func `an update joins the run that has not been begun with`() async throws {
        let it = try await TriggerPlane()
        let asset = try #require(AssetName("bronze.a"))
        try await it.deploy(["a": [], "b": [TriggerSpec(name: "fresh", asset: AssetUpdateSpec(name: asset))]])
        let agent = try await it.plane.agent()
        try await it.plane.start(flow: "a")
        try await it.plane.start(flow: "a")
        try await agent.succeed(try await agent.take(), output: "bronze.a")
        try await it.clock.fireDue()
        let run = try #require(try await it.runs(of: "b").only)
        try await agent.succeed(try await agent.take(), output: "bronze.a")
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").count == 1)
        let joined = try #require(try await it.ticks("fresh").last)
        #expect(joined.outcome == .skipped && joined.run == run.id && joined.reason?.hasPrefix("joined: ") == true)
        #expect(try await agent.take().inputs.isEmpty)
    }

    @Test func `a pause records what happened meanwhile`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [], "b": [upstream("a")]])
        _ = try await it.triggers.pause(try await it.trigger("after").id, by: .principal("ada"))
        try await it.plane.start(flow: "a")
        try await it.finish("a")
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").isEmpty)
        #expect(try await it.ticks("after").only?.reason == "paused")
        _ = try await it.triggers.resume(try await it.trigger("after").id, by: .principal("ada"))
        try await it.plane.start(flow: "a")
        try await it.finish("a")
        try await it.clock.fireDue()
        #expect(try await it.runs(of: "b").count == 1)
    }

    @Test func `flows that would start each other are refused with the cycle, across bundles too`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [upstream("b", bundle: "other")]])
        let error = try await refused {
            try await it.deploy(["b": [upstream("a", bundle: "shop")]], bundle: "other")
        }
        #expect(error?.code == .conflict)
        #expect(
            error?.message.contains("other/b → (trigger 'after', its end) shop/a → (trigger 'after', its end) other/b") == true,
            "\(error?.message ?? "")")
        #expect(try await it.triggers.list(environment: nil, all: true, after: nil, limit: 9).items.count == 1)
        let asset = try #require(AssetName("bronze.a"))
        let loop = try await refused {
            try await it.deploy(
                ["b": [TriggerSpec(name: "fresh", asset: AssetUpdateSpec(name: asset))]], bundle: "other", version: "3")
        }
        #expect(loop?.message.contains("shop/a → (trigger 'fresh', bronze.a) other/b") == true, "\(loop?.message ?? "")")
    }

    @Test func `a release keeps the triggers that it declares as they were, and ends the others`() async throws {
        let it = try await TriggerPlane()
        let minutely = TriggerSpec(name: "m", schedule: try schedule())
        try await it.deploy(["a": [minutely, TriggerSpec(name: "old", schedule: try schedule())]])
        let before = try await it.trigger("m")
        it.plane.time.advance(59)
        var changed = minutely
        changed.overlap = .skip
        try await it.deploy(["a": [changed]], version: "3")
        let after = try await it.trigger("m")
        #expect(after.id == before.id && after.position == before.position && after.nextAt == before.nextAt)
        #expect(try await it.trigger("old").live == false)
        #expect(try await it.triggers.list(environment: "dev", all: false, after: nil, limit: 9).items.map(\.name) == ["m"])
        it.plane.time.advance(1)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
        #expect(try await it.ticks("old").isEmpty)
        // Declared again, it goes on from now.
        it.plane.time.advance(3600)
        try await it.deploy(["a": [changed, TriggerSpec(name: "old", schedule: try schedule())]], version: "4")
        #expect(try await it.trigger("old").nextAt == TriggerPlane.start + 3720)
        // Another schedule starts anew.
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(every: 300))]], version: "5")
        let anew = try await it.trigger("m")
        #expect(anew.id == before.id && anew.position == TriggerPlane.start + 3660)
    }

    @Test func `a waiting tick of a trigger that is gone is skipped`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [], "b": [upstream("a", delay: 60)]])
        try await it.plane.start(flow: "a")
        try await it.finish("a")
        try await it.deploy(["a": [], "b": []], version: "3")
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.ticks("after").only?.reason == "no longer declared")
        #expect(try await it.runs(of: "b").isEmpty)
    }

    @Test func `firing by hand starts one run a key, with the trigger's parameters`() async throws {
        let it = try await TriggerPlane()
        let spec = TriggerSpec(name: "m", schedule: try schedule(), parameters: ["day": "2027-01-01"])
        try await it.deploy(["a": [spec]], parameters: [ParameterSpec(name: "day", type: .date)])
        let id = try await it.trigger("m").id
        let first = try await it.triggers.fire(id, .init(key: "k"), by: .principal("ada"))
        let again = try await it.triggers.fire(id, .init(key: "k"), by: .principal("ada"))
        #expect(first.created && !again.created && first.tick.number == again.tick.number)
        let run = try #require(try await it.runs().only)
        #expect(run.parameters == ["day": "2027-01-01"] && run.createdBy == "principal:ada")
        _ = try await it.triggers.fire(id, .init(), by: .principal("ada"))
        #expect(try await it.runs().count == 2)
        let refusal = try await refused {
            _ = try await it.triggers.fire(id, .init(key: ""), by: .principal("ada"))
        }
        #expect(refusal?.code == .invalidRequest)
    }

    @Test func `what is not there, and what is no schedule, is said`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [], "b": [upstream("a")]])
        let unknown = try await refused { _ = try await it.triggers.show(.make()) }
        #expect(unknown?.code == .notFound)
        let id = try await it.trigger("after").id
        let preview = try await refused { _ = try await it.triggers.preview(id, count: 5) }
        #expect(preview?.code == .invalidRequest)
    }
}
