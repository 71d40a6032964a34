import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging
import Testing

@testable import FlowForgeOrchestration

/// Backfills on a real store: each tick of the range has its turn once, a few at a time.
@Suite(.timeLimit(.minutes(1))) struct BackfillTests {
    @Test func `each tick of the range gets a run, a few at a time, oldest first`() async throws {
        let bench = try await BackfillBench()
        let started = try await bench.start(bench.request(maxRuns: 3))
        #expect(started.total == 10 && started.open == 3 && started.state == .running && started.trigger == "daily")
        let runs = try await bench.it.runs()
        #expect(Set(runs.map(\.scheduledFor)) == Set([5, 6, 7].map { bench.day($0).addingTimeInterval(6 * 3600) }))
        #expect(runs.allSatisfy { $0.cause == .backfill && $0.trigger == "daily" })
        let done = try await bench.workOff(started.id)
        #expect(done.state == .completed && done.succeeded == 10 && done.open == 0)
        #expect(try await bench.it.runs().count == 10)
        let ticks = try await bench.backfills.ticks(of: started.id, after: nil, limit: 4)
        #expect(ticks.items.count == 4 && ticks.next != nil)
        let rest = try await bench.backfills.ticks(of: started.id, after: ticks.next, limit: 50)
        #expect(rest.items.count == 6 && Set((ticks.items + rest.items).map(\.scheduledFor)).count == 10)
        for action in ["backfill.start", "backfill.finish"] {
            #expect(try await bench.it.plane.audited(action).count == 1)
        }
    }

    @Test func `no more of its tasks are handed out than it may have, and live work goes on`() async throws {
        let bench = try await BackfillBench()
        _ = try await bench.start(bench.request(maxRuns: 5, maxSlots: 1))
        let agent = try await bench.it.plane.agent()
        let first = try await agent.poll(free: 4)
        // They write the same table, too; another flow's backfill has no such excuse.
        #expect(first.assignments.count == 1)
        try await bench.it.deploy(
            ["b": [TriggerSpec(name: "daily", schedule: try cron("0 6 * * *"))]], bundle: "other")
        let tasks = (0..<3).map { task("t\($0)", output: nil, engine: "duckdb") }
        let manifest = Manifest(name: "wide", version: "1", flows: [FlowSpec(name: "w", tasks: tasks)])
        try await bench.it.plane.deploy(manifest)
        var request = bench.request(maxRuns: 5, maxSlots: 2, every: 86_400)
        request.flow = "w"
        _ = try await bench.start(request)
        let second = try await agent.poll(free: 8, leases: first.assignments)
        #expect(second.assignments.count == 2 && second.assignments.allSatisfy { $0.flow == "w" })
        try await bench.it.plane.start(flow: "b")
        let third = try await agent.poll(free: 6, leases: first.assignments + second.assignments)
        #expect(third.assignments.map(\.flow) == ["b"])
        try await agent.succeed(second.assignments[0], output: nil)
        let fourth = try await agent.poll(free: 6, leases: first.assignments + [second.assignments[1]] + third.assignments)
        #expect(fourth.assignments.count == 1)
    }

    @Test func `what has succeeded before is left out, unless again`() async throws {
        let bench = try await BackfillBench()
        let first = try await bench.start(bench.request(5, 8))
        #expect(try await bench.workOff(first.id).succeeded == 3)
        let second = try await bench.start(bench.request(5, 10))
        let done = try await bench.workOff(second.id)
        #expect(done.skipped == 3 && done.succeeded == 2 && done.state == .completed)
        let again = try await bench.start(bench.request(5, 8, again: true))
        #expect(try await bench.workOff(again.id).succeeded == 3)
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `whatever fails between two steps, each tick has one run`(point: Store.FaultPoint) async throws {
        let trap = Trap()
        let bench = try await BackfillBench(fault: { try trap.check($0) })
        let started = try await bench.start(bench.request(maxRuns: 2))
        let agent = try await bench.it.plane.agent()
        for _ in 0..<30 {
            guard let work = try await agent.poll().assignments.first else { break }
            try await agent.succeed(work, output: "bronze.a")
            trap.arm(point)
            try await bench.feeder.feed()
            try await bench.feeder.feed()
        }
        let done = try await bench.backfills.show(started.id)
        #expect(done.state == .completed && done.succeeded == 10)
        #expect(Set(try await bench.it.runs().map(\.scheduledFor)).count == 10)
        #expect(try await bench.it.runs().count == 10)
    }

    @Test func `cancelling ends what is open and starts no more`() async throws {
        let bench = try await BackfillBench()
        let started = try await bench.start(bench.request(maxRuns: 2))
        let cancelled = try await bench.backfills.cancel(started.id, by: .principal("ada"))
        #expect(cancelled.state == .cancelled && cancelled.cancelled == 2 && cancelled.open == 0)
        try await bench.feeder.feed()
        #expect(try await bench.it.runs().count == 2)
        #expect(try await bench.backfills.cancel(started.id, by: .principal("ada")).finishedAt == cancelled.finishedAt)
    }

    @Test func `a key starts one backfill, and means no other`() async throws {
        let bench = try await BackfillBench()
        let first = try await bench.backfills.start(bench.request(key: "k"), by: .principal("ada"))
        let again = try await bench.backfills.start(bench.request(key: "k"), by: .principal("ada"))
        #expect(first.created && !again.created && first.backfill.id == again.backfill.id)
        let other = try await refused { _ = try await bench.backfills.start(bench.request(6, key: "k"), by: .principal("ada")) }
        #expect(other?.code == .conflict)
        #expect(try await bench.backfills.list(environment: "dev", after: nil, limit: 10).items.count == 1)
    }

    @Test func `what cannot be is refused before anything runs`() async throws {
        let bench = try await BackfillBench()
        var unknownFlow = bench.request()
        unknownFlow.flow = "z"
        var unknownPlace = bench.request()
        unknownPlace.environment = "prod"
        var withParameters = bench.request()
        withParameters.parameters = ["x": 1]
        for (request, code) in [
            (bench.request(15, 5), ErrorCode.invalidRequest), (bench.request(5, 5), .invalidRequest),
            (bench.request(maxRuns: 0), .invalidRequest), (bench.request(maxSlots: 1001), .invalidRequest),
            (bench.request(trigger: "hourly"), .notFound), (bench.request(trigger: "daily", every: 60), .invalidRequest),
            (bench.request(every: 1), .invalidRequest), (bench.request(every: 0), .invalidRequest),
            (bench.request(key: ""), .invalidRequest), (unknownFlow, .notFound), (unknownPlace, .notFound),
            (withParameters, .invalidRequest),
        ] {
            let error = try await refused { _ = try await bench.backfills.start(request, by: .principal("ada")) }
            #expect(error?.code == code && error?.hint != nil, "\(error?.message ?? "taken")")
        }
        #expect(try await bench.backfills.list(environment: nil, after: nil, limit: 10).items.isEmpty)
    }
}
