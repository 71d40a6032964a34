import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// What a deployment does with ticks that are due: none is lost.
@Suite(.timeLimit(.minutes(1))) struct ReplacedScheduleTests {
    private let day = 86_400

    /// A trigger whose tick at start + 60 is held by jitter for more than a minute.
    private func held() async throws -> (TriggerPlane, OperatorAPI.PreviewedTick) {
        let it = try await TriggerPlane()
        for number in 0..<50 {
            let anchor = TriggerPlane.start + 60
            let jittered = try Schedule(.interval(Interval(seconds: day, anchor: anchor)), jitterSeconds: 7200)
            try await it.deploy(["a": [TriggerSpec(name: "j\(number)", schedule: jittered)]], version: "\(number + 10)")
            let tick = try #require(try await it.triggers.preview(try await it.trigger("j\(number)").id, count: 1).ticks.first)
            if tick.firesAt > anchor + 600 { return (it, tick) }
        }
        throw APIError("test", "no tick is held long enough")
    }

    @Test func `a tick that jitter holds back is previewed, and fires although its schedule is replaced`() async throws {
        let (it, tick) = try await held()
        let live = try await it.triggers.list(environment: nil, all: false, after: nil, limit: 9).items
        let name = try #require(live.only?.name)
        it.plane.time.advance(120)
        try await it.clock.fireDue()
        let preview = try await it.triggers.preview(try await it.trigger(name).id, count: 2).ticks
        #expect(preview.count == 2 && preview.first?.scheduledFor == tick.scheduledFor, "it has not fired yet")
        try await it.deploy(["a": [TriggerSpec(name: name, schedule: try schedule(every: 3 * 86_400))]], version: "3")
        let noted = try #require(try await it.ticks(name).only)
        #expect(noted.outcome == .waiting && noted.scheduledFor == tick.scheduledFor)
        it.plane.time.advance(7200)
        try await it.clock.fireDue()
        #expect(try await it.ticks(name).only?.outcome == .fired)
        #expect(try await it.runs().only?.scheduledFor == tick.scheduledFor)
    }

    @Test func `a tick that was due when its trigger ended is recorded`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        it.plane.time.advance(61)
        try await it.deploy(["a": []], version: "3")
        try await it.clock.fireDue()
        let tick = try #require(try await it.ticks("m").only)
        #expect(tick.reason == "no longer declared" && tick.scheduledFor == TriggerPlane.start + 60)
    }

    @Test func `the ticks of a pause are recorded when the schedule is replaced in it`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        _ = try await it.triggers.pause(try await it.trigger("m").id, by: .principal("ada"))
        it.plane.time.advance(600)
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(every: 300))]], version: "3")
        let tick = try #require(try await it.ticks("m").only)
        #expect(tick.reason == "paused" && tick.count == 10)
    }
}
