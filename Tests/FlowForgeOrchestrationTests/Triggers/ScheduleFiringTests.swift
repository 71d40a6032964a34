import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Schedules on a real store: each tick is recorded once and makes one run, whatever happens between.
@Suite(.timeLimit(.minutes(1))) struct ScheduleFiringTests {
    @Test func `a schedule fires from its deployment on, once a tick`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "minutely", schedule: try schedule())]])
        #expect(try await it.clock.fireDue() == TriggerPlane.start + 60)
        #expect(try await it.runs().isEmpty)
        it.plane.time.advance(60)
        #expect(try await it.clock.fireDue() == TriggerPlane.start + 120)
        try await it.clock.fireDue()
        let run = try #require(try await it.runs().only)
        #expect(run.flow == "a" && run.createdBy == "system:trigger")
        let tick = try #require(try await it.ticks("minutely").only)
        #expect(tick.outcome == .fired && tick.run == run.id && tick.scheduledFor == TriggerPlane.start + 60)
        #expect(it.figures.lag.byBucket.reduce(0, +) == 1)
    }

    @Test func `ticks that were missed are one row, however many`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "secondly", schedule: try schedule(every: 1))]])
        it.plane.time.advance(30 * 86_400)
        try await it.clock.fireDue()
        let ticks = try await it.ticks("secondly")
        let missed = try #require(ticks.first { $0.reason == "missed" })
        let runs = try await it.runs().count
        #expect(ticks.filter { $0.outcome == .skipped }.reduce(0) { $0 + $1.count } + Int64(runs) == 30 * 86_400)
        #expect(missed.count > 2_000_000 && missed.until != nil && ticks.filter { $0.outcome == .skipped }.count <= 2)
    }

    @Test func `catching up runs the newest, oldest first, over as many transactions as it takes`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(catchUp: .all, cap: 100))]])
        it.plane.time.advance(6 * 3600 + 30)
        try await it.clock.fireDue()
        let ticks = try await it.ticks("m")
        let ran = ticks.filter { $0.run != nil }
        #expect(ran.count(where: { $0.outcome == .caughtUp }) == 100)
        #expect(ran.count == 101, "and the one that is on time")
        #expect(ran.map(\.scheduledFor) == ran.map(\.scheduledFor).sorted { ($0 ?? .distantPast) < ($1 ?? .distantPast) })
        let capped = ticks.first { $0.reason == "cap" }
        #expect(capped?.count == 259)
        #expect(try await it.runs().count == 101)
    }

    @Test func `the wall clock set back fires nothing twice, set forward nothing silently`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        it.plane.time.advance(-45)
        try await it.clock.fireDue()
        it.plane.time.advance(50)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
        it.plane.time.advance(3600)
        try await it.clock.fireDue()
        let ticks = try await it.ticks("m")
        #expect(ticks.reduce(0) { $0 + $1.count } == 61)
        #expect(try await it.runs().count == 2, "the first, and the one that is on time")
    }

    @Test func `a clock that ran far ahead for a while does not cost the ticks of that time`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule())]])
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        it.plane.time.advance(86_400)
        try await it.clock.fireDue()
        let ahead = try await it.runs().count
        #expect(ahead == 3, "one before, and two that were on time in the wrong day")
        it.plane.time.advance(-86_400)
        try await it.clock.takeBackTheFuture()
        try await it.clock.fireDue()
        for _ in 0..<3 {
            it.plane.time.advance(60)
            try await it.clock.fireDue()
        }
        #expect(try await it.runs().count == ahead + 3)
        // Those that ran ahead of their time are not run again when it comes; the one before them is on time.
        it.plane.time.advance(86_400 - 4 * 60)
        try await it.clock.fireDue()
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == ahead + 4)
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == ahead + 5)
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a tick whose transaction failed is fired once all the same`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let it = try await TriggerPlane(fault: { try trap.check($0) })
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(every: 3600))]])
        it.plane.time.advance(3600)
        trap.arm(point)
        try await it.clock.fireDue()
        #expect(!trap.isArmed)
        it.plane.time.advance(40)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
        #expect(try await it.ticks("m").map(\.outcome) == [.fired])
        it.plane.time.advance(3600)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 2)
    }

    @Test func `many who fire the same ticks at once make one run each`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(
            Dictionary(
                uniqueKeysWithValues: try (0..<5).map { ("f\($0)", [TriggerSpec(name: "t\($0)", schedule: try schedule())]) }))
        it.plane.time.advance(60)
        let clock = it.clock
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await clock.fireDue() } }
            try await group.waitForAll()
        }
        #expect(try await it.runs().map(\.flow).sorted() == (0..<5).map { "f\($0)" })
    }

    @Test func `what cannot be started is recorded with the reason, and the next tick is tried`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(
            ["a": [TriggerSpec(name: "m", schedule: try schedule())]],
            variables: [ParameterSpec(name: "raw_dir", type: .path)])
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        let tick = try #require(try await it.ticks("m").only)
        #expect(tick.outcome == .skipped && tick.reason?.hasPrefix("refused: environment 'dev' does not bind") == true)
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.ticks("m").count == 2)
    }

    @Test func `overlap skip leaves out what comes while a run goes on`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(), overlap: .skip)]])
        for _ in 0..<2 {
            it.plane.time.advance(60)
            try await it.clock.fireDue()
        }
        let run = try #require(try await it.runs().only)
        #expect(try await it.ticks("m").last?.reason == "overlap: \(run.id) has not ended")
        try await it.finish("a")
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 2)
    }

    @Test func `a pause is recorded and not caught up`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(catchUp: .all))]])
        let id = try await it.trigger("m").id
        let paused = try await it.triggers.pause(id, by: .principal("ada"))
        #expect(paused.pausedBy == "principal:ada" && paused.nextAt == nil)
        _ = try await it.triggers.pause(id, by: .principal("bob"))
        it.plane.time.advance(600)
        try await it.clock.fireDue()
        #expect(try await it.runs().isEmpty)
        let resumed = try await it.triggers.resume(id, by: .principal("ada"))
        #expect(resumed.pausedAt == nil && resumed.nextAt == TriggerPlane.start + 660)
        let tick = try #require(try await it.ticks("m").only)
        #expect(tick.outcome == .skipped && tick.reason == "paused" && tick.count == 10)
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.runs().count == 1)
        #expect(try await it.plane.audited("trigger.pause").count == 1)
        #expect(try await it.plane.audited("trigger.resume").count == 1)
    }

    @Test func `an end is the end, and a preview ends with it`() async throws {
        let it = try await TriggerPlane()
        let end = TriggerPlane.start + 130
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(end: end))]])
        let id = try await it.trigger("m").id
        #expect(
            try await it.triggers.preview(id, count: 10).ticks.map(\.scheduledFor) == [60, 120].map { TriggerPlane.start + $0 })
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        it.plane.time.advance(60)
        try await it.clock.fireDue()
        #expect(try await it.trigger("m").nextAt == nil)
        #expect(try await it.runs().count == 2)
    }

    @Test func `a preview shows local times and what is skipped`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try cron("30 1 * * *", "Europe/London", dst: .skip))]])
        // 2027-03-28 01:30 is left out in London.
        it.plane.time.advance(70 * 86_400)
        try await it.clock.fireDue()
        let ticks = try await it.triggers.preview(try await it.trigger("m").id, count: 5).ticks
        #expect(ticks.contains { $0.skipped == "gap" && $0.local.hasPrefix("2027-03-28") }, "\(ticks)")
    }

    @Test func `the loop fires what is due, sleeps, and is woken by a deployment`() async throws {
        let it = try await TriggerPlane()
        let (clock, wakeUps) = (it.clock, it.plane.wakeUps)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await clock.run() }
            try await wakeUps.untilParked(1)
            try await it.deploy(["a": [TriggerSpec(name: "m", schedule: try schedule(every: 10))]])
            it.plane.time.advance(10)
            wakeUps.wakeTriggers()
            while try await it.runs().isEmpty {
                try Task.checkCancellation()
                await Task.yield()
            }
            group.cancelAll()
        }
        #expect(try await it.runs().count == 1)
    }
}

extension Collection {
    /// The one element, if there is just one.
    var only: Element? { count == 1 ? first : nil }
}
