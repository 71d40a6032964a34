import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging
import Testing

@testable import FlowForgeOrchestration

/// Backfills beside live work: what follows from their runs, what they leave to others, and their ends.
@Suite(.timeLimit(.minutes(1))) struct BackfillFollowersTests {
    private let afterA = TriggerSpec(name: "after", upstream: UpstreamSpec(flow: "a", on: .success, delaySeconds: 0))

    private func limit(_ bench: BackfillBench, _ id: ID<Backfill>) async throws -> Int? {
        try await bench.it.plane.store.read { try $0.limits.find(.backfill(id.description))?.slots }
    }

    @Test func `live work that skips overlaps does not wait for a backfill`() async throws {
        let bench = try await BackfillBench()
        let skipping = TriggerSpec(name: "daily", schedule: try cron("0 6 * * *"), overlap: .skip)
        try await bench.it.deploy(["a": [skipping]], version: "3")
        let started = try await bench.start(bench.request())
        #expect(started.open == 4)
        bench.it.plane.time.advance(22 * 3600)
        try await bench.it.clock.fireDue()
        #expect(try await bench.it.ticks("daily").only?.outcome == .fired)
        // Of live work there is one now.
        bench.it.plane.time.advance(86_400)
        try await bench.it.clock.fireDue()
        #expect(try await bench.it.ticks("daily").last?.reason?.hasPrefix("overlap: ") == true)
    }

    @Test func `what follows from a backfill's run is for the same time and under the same limit`() async throws {
        let bench = try await BackfillBench(["b": [afterA]])
        let started = try await bench.start(bench.request(5, 9, maxRuns: 10))
        let agent = try await bench.it.plane.agent()
        for _ in 0..<4 {
            let work = try #require(try await agent.poll(free: 4).assignments.only)
            #expect(work.flow == "a")
            try await agent.succeed(work, output: "bronze.a")
        }
        try await bench.feeder.feed()
        #expect(try await bench.backfills.show(started.id).state == .running, "what follows is to come")
        try await bench.it.clock.fireDue()
        let followers = try await bench.it.runs(of: "b")
        #expect(Set(followers.map(\.scheduledFor)) == Set([5, 6, 7, 8].map { bench.day($0).addingTimeInterval(6 * 3600) }))
        #expect(followers.allSatisfy { $0.cause == .upstream })
        #expect(try await agent.poll(free: 4).assignments.count == 1, "the backfill may have one slot")
        try await bench.feeder.feed()
        #expect(try await bench.backfills.show(started.id).state == .running)
        #expect(try await limit(bench, started.id) == 1)
    }

    @Test func `a backfill is over, and its limit gone, with the last run that followed from it`() async throws {
        let bench = try await BackfillBench(["b": [afterA]])
        let started = try await bench.start(bench.request(5, 7))
        let agent = try await bench.it.plane.agent()
        for flow in ["a", "a", "b", "b"] {
            let work = try await agent.take()
            #expect(work.flow == flow)
            try await agent.succeed(work, output: "bronze.\(flow)")
            try await bench.feeder.feed()
            try await bench.it.clock.fireDue()
        }
        #expect(try await bench.backfills.show(started.id).state == .completed)
        #expect(try await limit(bench, started.id) == nil)
    }

    @Test func `assets that a backfill writes are taken together with no live work`() async throws {
        let asset = try #require(AssetName("bronze.a"))
        let bench = try await BackfillBench(["b": [TriggerSpec(name: "fresh", asset: AssetUpdateSpec(name: asset))]])
        _ = try await bench.start(bench.request(5, 7))
        let agent = try await bench.it.plane.agent()
        for _ in 0..<2 { try await agent.succeed(try await agent.take(), output: "bronze.a") }
        try await bench.it.plane.start(flow: "a")
        try await agent.succeed(try await agent.take(), output: "bronze.a")
        try await bench.it.clock.fireDue()
        let live = try await bench.it.runs(of: "b").filter { $0.scheduledFor == nil }
        #expect(try await bench.it.runs(of: "b").count == 3 && live.count == 1)
    }

    @Test func `a run that is repeated keeps the backfill's limit, also when that is over`() async throws {
        let bench = try await BackfillBench()
        let started = try await bench.start(bench.request(5, 8))
        let done = try await bench.workOff(started.id)
        #expect(done.state == .completed)
        #expect(try await limit(bench, started.id) == nil)
        let plane = bench.it.plane
        for run in try await bench.it.runs() {
            let again = try await plane.starter.rerun(run.id, .init(all: true), by: .principal("ada"))
            let tasks = try await plane.store.read { try $0.tasks.list(run: again.id) }
            #expect(tasks.map(\.limits) == [[.backfill(started.id.description): 1]])
        }
        #expect(try await limit(bench, started.id) == 1)
        try await bench.feeder.feed()
        let agent = try await plane.agent()
        for _ in 0..<3 {
            let work = try #require(try await agent.poll(free: 4).assignments.only)
            try await agent.succeed(work, output: "bronze.a")
        }
        try await bench.feeder.feed()
        #expect(try await limit(bench, started.id) == nil)
    }

    @Test func `a backfill leaves out what others have under way`() async throws {
        let bench = try await BackfillBench()
        _ = try await bench.start(bench.request(5, 8))
        let second = try await bench.start(bench.request(5, 9))
        #expect(second.skipped == 3 && second.open == 1)
        let ticks = try await bench.backfills.ticks(of: second.id, after: nil, limit: 10).items
        #expect(ticks.count { $0.reason?.hasSuffix("has not ended") == true } == 3)
    }

    @Test func `a backfill leaves the tick that its trigger has not decided to that`() async throws {
        let bench = try await BackfillBench()
        bench.it.plane.time.advance(22 * 3600 + 30)
        let request = OperatorAPI.StartBackfill(environment: "dev", flow: "a", from: bench.day(15), until: bench.day(16) + 21_630)
        let started = try await bench.start(request)
        #expect(started.skipped == 1 && started.open == 1)
        try await bench.it.clock.fireDue()
        #expect(try await bench.it.runs().count { $0.scheduledFor == bench.day(16) + 21_600 } == 1)
    }

    @Test func `the future is refused, and so is a key that meant another request`() async throws {
        let bench = try await BackfillBench()
        let future = try await refused { _ = try await bench.start(bench.request(5, 16)) }
        #expect(future?.code == .invalidRequest && future?.message.hasPrefix("until: 2027-01-16") == true)
        let interval = try await refused { _ = try await bench.start(bench.request(every: 0)) }
        let hint = try #require(interval?.hint)
        #expect(interval?.message.contains(hint) == false)
        _ = try await bench.start(bench.request(key: "k"))
        var others = [bench.request(maxRuns: 9, key: "k"), bench.request(key: "k", trigger: "daily"), bench.request(key: "k")]
        others[2].parameters = ["x": 1]
        for other in others {
            #expect(try await refused { _ = try await bench.start(other) }?.code == .conflict)
        }
        #expect(try await bench.start(bench.request(key: "k")).open == 4)
    }

    @Test func `what a cancellation has left when the control plane died is ended`() async throws {
        let bench = try await BackfillBench(["b": [afterA]])
        let started = try await bench.start(bench.request(maxRuns: 2))
        let agent = try await bench.it.plane.agent()
        try await agent.succeed(try await agent.take(), output: "bronze.a")
        // The first of its steps, and no more.
        try await bench.it.plane.store.write { try $0.backfills.finish(started.id, as: .cancelled) }
        try await bench.it.clock.fireDue()
        #expect(try await bench.it.ticks("after").only?.reason == "\(started.id) was cancelled")
        try await bench.feeder.feed()
        #expect(try await bench.backfills.show(started.id).open == 0)
        #expect(try await limit(bench, started.id) == nil)
        // Somebody wants one of them after all.
        let cancelled = try #require(try await bench.it.runs().first { $0.state == .cancelled })
        bench.it.plane.time.advance(1)
        let again = try await bench.it.plane.starter.rerun(cancelled.id, .init(), by: .principal("ada"))
        try await bench.feeder.feed()
        #expect(try await bench.it.plane.run(again.id).state == .queued)
    }
}
