import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Synchronization
import Testing

@testable import FlowForgeOrchestration

/// Ticks that are late though somebody was there: they are on time.
@Suite(.timeLimit(.minutes(2))) struct LateTickTests {
    /// Does something at each transaction's beginning.
    private final class Hook: Sendable {
        private let action = Mutex<(@Sendable () throws -> Void)?>(nil)
        func set(_ new: (@Sendable () throws -> Void)?) { action.withLock { $0 = new } }
        func callAsFunction(_ point: Store.FaultPoint) throws {
            if point == .beforeBody { try action.withLock(\.self)?() }
        }
    }
    private struct Refusal: Error {}

    private func attend(_ it: TriggerPlane) {
        it.plane.wakeUps.attendance.look(wall: it.plane.time.now, steady: 0, rested: true)
    }

    @Test func `a burst of more than a minute's work is fired whole`() async throws {
        let hook = Hook()
        let it = try await TriggerPlane(fault: { try hook($0) })
        let specs = try (0..<600).map { TriggerSpec(name: "t\($0)", schedule: try schedule(every: 86_400)) }
        try await it.deploy(["a": specs])
        attend(it)
        it.plane.time.advance(16 * 3600)
        let time = it.plane.time
        hook.set { time.advance(1) }
        try await it.clock.fireDue()
        hook.set(nil)
        #expect(time.now > TriggerPlane.start + 16 * 3600 + 180, "it took longer than ticks are on time")
        let counts = try await it.plane.store.read { try $0.ticks.counts() }
        #expect(counts.map(\.outcome) == [.fired] && counts.only?.count == 600)
    }

    @Test func `what a store that takes no writes put off fires when it does`() async throws {
        let hook = Hook()
        let it = try await TriggerPlane(fault: { try hook($0) })
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        attend(it)
        it.plane.time.advance(60)
        hook.set { throw Refusal() }
        for _ in 0..<4 {
            _ = try? await it.clock.fireDue()
            it.plane.time.advance(30)
        }
        hook.set(nil)
        try await it.clock.fireDue()
        let ticks = try await it.ticks("m")
        #expect(ticks.map(\.outcome) == [.fired, .fired, .fired], "of one, two and three minutes")
    }

    @Test func `nobody was there before the start, while the machine slept, and in times that were left out`() {
        var vigil = Vigil(wall: TriggerPlane.start, steady: 0)
        #expect(vigil.since == TriggerPlane.start)
        vigil.look(wall: TriggerPlane.start + 500, steady: 500, rested: false)
        #expect(vigil.since == TriggerPlane.start, "much to do")
        vigil.look(wall: TriggerPlane.start + 505, steady: 505, rested: true)
        #expect(vigil.since == TriggerPlane.start)
        vigil.look(wall: TriggerPlane.start + 1005, steady: 1005, rested: true)
        #expect(vigil.since == TriggerPlane.start + 1005, "it was to wait for some seconds")
        vigil.look(wall: TriggerPlane.start + 90_000, steady: 1010, rested: false)
        #expect(vigil.since == TriggerPlane.start + 90_000, "set forward")
        vigil.look(wall: TriggerPlane.start, steady: 1015, rested: true)
        #expect(vigil.since == TriggerPlane.start, "set back")
    }

    @Test func `the loop says that it is there`() async throws {
        let it = try await TriggerPlane()
        let (clock, wakeUps) = (it.clock, it.plane.wakeUps)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await clock.run() }
            try await wakeUps.untilParked(1)
            group.cancelAll()
        }
        #expect(wakeUps.attendance.since == TriggerPlane.start)
    }
}
