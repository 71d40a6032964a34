import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// The wall clock ran ahead for a while, and was set back.
@Suite(.timeLimit(.minutes(1))) struct ClockSetBackTests {
    private func ahead(_ it: TriggerPlane, by seconds: Double, _ body: () async throws -> Void) async throws {
        it.plane.time.advance(seconds)
        try await it.clock.fireDue()
        try await body()
        it.plane.time.advance(-seconds)
        try await it.clock.takeBackTheFuture()
    }

    @Test func `a schedule that ended in the wrong future lives`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(end: TriggerPlane.start + 3600))]])
        try await ahead(it, by: 86_400) {
            let ended = try await it.trigger("m")
            #expect(ended.nextAt == nil)
        }
        #expect(try await it.trigger("m").nextAt == TriggerPlane.start + 60)
        #expect(try await it.ticks("m").isEmpty)
    }

    @Test func `a schedule that was paused in the wrong future goes on when it is resumed`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        let id = try await it.trigger("m").id
        try await ahead(it, by: 86_400) { _ = try await it.triggers.pause(id, by: .principal("ada")) }
        #expect(try await it.trigger("m").position == TriggerPlane.start)
        #expect(try await it.triggers.resume(id, by: .principal("ada")).nextAt == TriggerPlane.start + 60)
    }

    @Test func `resuming takes the future back by itself`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        let id = try await it.trigger("m").id
        it.plane.time.advance(86_400)
        try await it.clock.fireDue()
        _ = try await it.triggers.pause(id, by: .principal("ada"))
        it.plane.time.advance(-86_400)
        #expect(try await it.triggers.resume(id, by: .principal("ada")).nextAt == TriggerPlane.start + 60)
    }

    @Test func `what was missed before now stays missed, and a pause stays a pause`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        let id = try await it.trigger("m").id
        it.plane.time.advance(600)
        // Down until now, and then half an hour ahead, ten minutes of it paused.
        try await ahead(it, by: 1200) {
            _ = try await it.triggers.pause(id, by: .principal("ada"))
            it.plane.time.advance(600)
            _ = try await it.triggers.resume(id, by: .principal("ada"))
            it.plane.time.advance(-600)
        }
        let now = try await it.ticks("m")
        let missed = try #require(now.first { $0.reason == "missed" })
        #expect(missed.count == 10 && missed.until == TriggerPlane.start + 600, "split at now")
        #expect(now.first { $0.reason == "paused" }?.count == 10)
        // Nobody is there for the next hour: what is not recorded yet is missed.
        it.plane.time.advance(3660)
        try await it.clock.fireDue()
        let all = try await it.ticks("m").sorted { ($0.scheduledFor ?? .distantPast) < ($1.scheduledFor ?? .distantPast) }
        #expect(all.reduce(0) { $0 + $1.count } == 71, "\(all.map { "\($0.reason ?? "ran") \($0.count)" })")
        var end = TriggerPlane.start
        for tick in all {
            #expect(tick.scheduledFor == end + 60, "each once, without a gap")
            end = try #require(tick.until ?? tick.scheduledFor)
        }
    }
}
