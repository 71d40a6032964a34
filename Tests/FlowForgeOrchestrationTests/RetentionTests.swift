import FlowForgeBundle
import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import Synchronization
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct RetentionTests {
    private let day = 86_400.0

    private func pruner(_ plane: ControlPlane, _ change: (inout RetentionSettings) -> Void) -> Pruner {
        var settings = RetentionSettings()
        settings.batch = 3
        settings.pause = .zero
        change(&settings)
        return Pruner(store: plane.store, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A run of one task with ten log chunks and an event.
    private func finished(_ plane: ControlPlane, _ agent: TestAgent, output: String? = nil) async throws -> ID<Run> {
        let run = try await plane.start().id
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        for offset in 0..<10 {
            let line = LogLine(at: plane.time.now, stream: .stdout, text: "line")
            try await agent.report(.log(.init(offset: Int64(offset), lines: [line])), of: work)
        }
        try await agent.report(.finished(agent.success(output)), of: work)
        return run
    }

    private func logLines(_ plane: ControlPlane, _ run: ID<Run>) async throws -> Int {
        try await plane.reader.logs(run, task: nil, after: nil, limit: 100, waiting: .zero).lines.count
    }

    private func ids(_ plane: ControlPlane) async throws -> Set<ID<Run>> {
        Set(try await plane.reader.list(environment: nil, state: nil, after: nil, limit: 500).items.map(\.id))
    }

    @Test func `a tick that waits holds up no others`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "t", schedule: try Schedule(.interval(Interval(seconds: 86_400))))]])
        let id = try await it.trigger("t").id
        try await it.plane.store.write { session in
            var waiting = NewTick(trigger: id, key: "waits", outcome: .waiting)
            waiting.dueAt = .distantFuture
            try session.ticks.insert(waiting)
            for number in 0..<7 {
                var tick = NewTick(trigger: id, key: "\(number)", outcome: .skipped)
                tick.reason = "paused"
                try session.ticks.insert(tick)
            }
        }
        it.plane.time.advance(10 * day)
        try await pruner(it.plane) { $0.runs = .seconds(86_400) }.sweep()
        #expect(try await it.ticks("t").map(\.outcome) == [.waiting])
    }

    @Test func `old logs go, younger ones and those of runs that go on stay`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let agent = try await plane.agent()
        let old = try await finished(plane, agent)
        let active = try await plane.start().id
        let work = try await agent.take()
        try await agent.report(.started(.init(pid: 1)), of: work)
        try await agent.report(
            .log(.init(offset: 0, lines: [LogLine(at: plane.time.now, stream: .stdout, text: "line")])), of: work)
        plane.time.advance(10 * day)
        _ = try await agent.poll(free: 0, leases: [work])
        let young = try await finished(plane, try await plane.agent("b"))
        let pruner = pruner(plane) { $0.logs = .seconds(5 * 86_400) }
        #expect(try await pruner.due().logs?.dueRuns == 1)
        try await pruner.sweep()
        var lines: [Int] = []
        for run in [old, young, active] { lines.append(try await logLines(plane, run)) }
        #expect(lines == [0, 10, 1])
        #expect(pruner.removed == ["logs": 10])
        #expect(try await pruner.due().logs?.dueRuns == 0)
        #expect(try await ids(plane) == [old, active, young], "runs are kept for ever unless said otherwise")
        // What was old by then is found by the next sweep; what was swept is not walked over again.
        plane.time.advance(10 * day)
        try await pruner.sweep()
        #expect(try await logLines(plane, young) == 0)
        #expect(pruner.removed == ["logs": 20])
    }

    @Test func `old runs go with all that is theirs, in small pieces, and counters do not go back`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let agent = try await plane.agent()
        let old = [try await finished(plane, agent), try await finished(plane, agent)]
        plane.time.advance(10 * day)
        let young = try await finished(plane, agent)
        let before = try await plane.store.read { try ($0.figures.attempts(), $0.figures.removedAttempts()) }
        #expect(before.0[.succeeded] == 3 && before.1.isEmpty)
        let pruner = pruner(plane) { $0.runs = .seconds(5 * 86_400) }
        #expect(try await pruner.due().runs?.dueRuns == 2)
        try await pruner.sweep()
        #expect(try await ids(plane) == [young])
        for run in old { await #expect(throws: APIError.self) { try await plane.run(run) } }
        let after = try await plane.store.read { try ($0.figures.attempts(), $0.figures.removedAttempts(), $0.figures.runs()) }
        #expect(after.0[.succeeded] == 1 && after.1 == [.succeeded: 2] && after.2[.succeeded] == 1)
        #expect(try await plane.store.read { try $0.history.violations() }.isEmpty)
        #expect(try await plane.audited("run.finish").count == 3, "the audit trail is kept")
    }

    @Test func `the run that made what is current stays as long as it is`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let first = try await finished(plane, agent, output: "bronze.one")
        plane.time.advance(10 * day)
        let pruner = pruner(plane) { $0.runs = .seconds(5 * 86_400) }
        try await pruner.sweep()
        #expect(try await ids(plane) == [first])
        let asset = try #require(AssetName("bronze.one"))
        #expect(try await plane.catalog.asset(asset, environment: ControlPlane.environment).run == first)
        let second = try await finished(plane, agent, output: "bronze.one")
        try await pruner.sweep()
        #expect(try await ids(plane) == [second])
        let view = try await plane.catalog.asset(asset, environment: ControlPlane.environment)
        #expect(view.snapshot.version == 2 && view.history?.count == 1)
    }

    @Test func `old ticks go with the runs of their time, and are not fired again`() async throws {
        let it = try await TriggerPlane()
        try await it.deploy(["a": [TriggerSpec(name: "minutely", schedule: try schedule())]])
        for _ in 0..<4 {
            it.plane.time.advance(60)
            try await it.clock.fireDue()
        }
        it.plane.time.advance(2 * day)
        try await it.clock.fireDue()
        let all = try await it.ticks("minutely")
        let young = all.filter { $0.recordedAt == it.plane.time.now }
        #expect(all.count == young.count + 4 && !young.isEmpty)
        try await pruner(it.plane) { $0.runs = .seconds(86_400) }.sweep()
        let left = try await it.ticks("minutely")
        #expect(left.map(\.number) == young.map(\.number))
        let runs = try await it.runs().count
        try await it.clock.fireDue()
        #expect(try await it.runs().count == runs)
    }

    // MARK: Clocks that are wrong

    /// What a pruner that keeps logs for 30 days leaves of a run of the day before, after the clocks went on.
    private final class Clocks: Sendable {
        let plane: ControlPlane
        let steady = Mutex(0.0)
        init(_ plane: ControlPlane) { self.plane = plane }

        func pass(_ seconds: Double) {
            plane.time.advance(seconds)
            steady.withLock { $0 += seconds }
        }
        func pruner() -> Pruner {
            var settings = RetentionSettings()
            settings.logs = .seconds(30 * 86_400)
            return Pruner(
                store: plane.store, settings: settings, steady: { [self] in steady.withLock { $0 } },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
    }

    @Test func `a clock that leaps ahead makes nothing old for a day`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let run = try await finished(plane, try await plane.agent())
        let clocks = Clocks(plane)
        clocks.pass(2 * day)
        let pruner = clocks.pruner()
        try await pruner.sweepIfTrusted()
        plane.time.advance(31 * day)
        for _ in 0..<23 {
            try await pruner.sweepIfTrusted()
            #expect(try await logLines(plane, run) == 10)
            clocks.pass(3600)
        }
        // Mended in time, or true after all.
        plane.time.advance(-31 * day)
        clocks.pass(2 * 3600)
        try await pruner.sweepIfTrusted()
        #expect(try await logLines(plane, run) == 10)
        plane.time.advance(31 * day)
        try await pruner.sweepIfTrusted()
        clocks.pass(day)
        try await pruner.sweepIfTrusted()
        #expect(try await logLines(plane, run) == 0)
    }

    @Test func `a clock that is wrong at the start makes nothing old for a day, however often it is started`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let run = try await finished(plane, try await plane.agent())
        let clocks = Clocks(plane)
        clocks.pass(31 * day)
        for _ in 0..<3 {
            let pruner = clocks.pruner()
            try await pruner.sweepIfTrusted()
            clocks.pass(7 * 3600)
            try await pruner.sweepIfTrusted()
            #expect(try await logLines(plane, run) == 10)
            // The trail goes on under the wrong clock.
            _ = try await plane.start()
        }
        let pruner = clocks.pruner()
        try await pruner.sweepIfTrusted()
        clocks.pass(day)
        try await pruner.sweepIfTrusted()
        #expect(try await logLines(plane, run) == 0)
    }

    @Test func `a control plane that was seen at work in the days before removes what is old at once`() async throws {
        let plane = try await ControlPlane([task("one", output: nil)])
        let run = try await finished(plane, try await plane.agent())
        let clocks = Clocks(plane)
        clocks.pass(29 * day)
        _ = try await plane.start()
        clocks.pass(2 * day)
        try await clocks.pruner().sweepIfTrusted()
        #expect(try await logLines(plane, run) == 0)
    }
}
