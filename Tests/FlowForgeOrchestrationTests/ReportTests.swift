import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

@Suite(.timeLimit(.minutes(1))) struct ReportTests {
    private func refusal(_ body: () async throws -> Void) async -> APIError? {
        do { try await body() } catch { return error as? APIError }
        return nil
    }

    private func lines(_ texts: String...) -> [LogLine] {
        texts.map { LogLine(at: Date(timeIntervalSince1970: 0), stream: .stdout, text: $0) }
    }

    @Test func `a run goes from its first start to its last outcome`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent("worker")
        let run = try await plane.start()
        let ingest = try await agent.take()
        #expect(try await plane.run(run.id).state(of: "ingest") == .leased)
        try await agent.report(.started(.init(pid: 1)), of: ingest)
        #expect(try await plane.run(run.id).state == .running)
        #expect(try await plane.run(run.id).state(of: "ingest") == .running)
        let answer = try await agent.report(.finished(agent.success("bronze.orders")), of: ingest)
        #expect(answer.acknowledged == 2 && answer.stale.isEmpty)
        #expect(answer.publications.map(\.asset.description) == ["bronze.orders"])
        #expect(try await plane.run(run.id).states == [.succeeded, .ready, .waiting])
        try await agent.succeed(try await agent.take(), output: "silver.orders")
        try await agent.succeed(try await agent.take(), output: "gold.sales")
        let ended = try await plane.run(run.id)
        #expect(ended.state == .succeeded && ended.finishedAt != nil)
        #expect(ended.attempts(of: "ingest").map(\.agentName) == ["worker"])
        #expect(ended.attempts(of: "ingest").first?.metrics?.rowsWritten == 2)
        #expect(ended.attempts(of: "sum").first?.snapshot?.version == 1)
        #expect(try await plane.audited("run.finish").first?.detail["state"] == "succeeded")
        #expect(try await plane.audited("asset.publish").count == 3)
    }

    @Test func `a batch that is sent again changes nothing`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let batch = agent.events(
            [.started(.init(pid: 1)), .log(.init(offset: 0, lines: lines("a", "b"))), .finished(agent.success("bronze.one"))],
            of: work)
        try await agent.send(batch)
        let before = try await plane.run(run.id)
        let again = try await agent.send(batch)
        #expect(again.acknowledged == 3 && again.stale.isEmpty && again.publications.isEmpty)
        #expect(try await plane.run(run.id).version == before.version)
        #expect(try await plane.reader.logs(run.id, task: nil, after: nil, limit: 10, waiting: .zero).lines.count == 2)
        #expect(try await plane.audited("asset.publish").count == 1)
    }

    @Test func `a batch that overlaps the one before brings only what is new`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let events = agent.events(
            (0..<4).map { .log(.init(offset: Int64($0), lines: lines("line \($0)"))) }, of: work)
        try await agent.send(Array(events[0..<2]))
        #expect(try await agent.send(Array(events[1..<4])).acknowledged == 4)
        let log = try await plane.reader.logs(run.id, task: nil, after: nil, limit: 10, waiting: .zero)
        #expect(log.lines.map(\.line.text) == ["line 0", "line 1", "line 2", "line 3"])
    }

    @Test func `a gap and a wrong order are refused with the number expected, and store nothing`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let events = agent.events((0..<4).map { .log(.init(offset: Int64($0), lines: lines("\($0)"))) }, of: work)
        let gap = await refusal { try await agent.send(Array(events[1...])) }
        #expect(gap?.code == .conflict && gap?.metadata["expected"] == "1")
        let order = await refusal { try await agent.send([events[0], events[2], events[1], events[3]]) }
        #expect(order?.code == .conflict && order?.metadata["expected"] == "2")
        #expect(try await plane.reader.logs(run.id, task: nil, after: nil, limit: 10, waiting: .zero).lines.isEmpty)
        #expect(try await agent.send(events).acknowledged == 4)
    }

    @Test func `a report under a stale lease is dropped, named and audited once`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let (zombie, heir) = (try await plane.agent("zombie"), try await plane.agent("heir"))
        let run = try await plane.start()
        let old = try await zombie.take()
        try await zombie.report(.started(.init(pid: 1)), of: old)
        plane.time.advance(61)
        #expect(try await plane.reaper.takeBack() == 1)
        let new = try await heir.take()
        #expect(new.number == 2 && new.fencing > old.fencing)
        for _ in 0..<2 {
            let answer = try await zombie.report(
                .log(.init(offset: 0, lines: lines("late"))), .finished(zombie.success("bronze.one")), of: old)
            #expect(answer.stale == [old.lease] && answer.publications.isEmpty)
        }
        #expect(try await plane.audited("attempt.report").map(\.outcome) == ["refused"])
        let accepted = try await heir.succeed(new, output: "bronze.one").publications
        let seen = try await plane.run(run.id)
        #expect(seen.state == .succeeded)
        #expect(seen.attempts(of: "one").map(\.state) == [.lost, .succeeded])
        #expect(seen.attempts(of: "one").last?.snapshot == accepted.first?.snapshot)
    }

    @Test func `another agent, a wrong fencing number and an invented attempt are stale`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let (agent, thief) = (try await plane.agent("a"), try await plane.agent("thief"))
        let run = try await plane.start()
        let work = try await agent.take()
        #expect(try await thief.succeed(work, output: "bronze.one").stale == [work.lease])
        var forged = work
        forged.fencing += 1
        #expect(try await agent.succeed(forged, output: "bronze.one").stale == [work.lease])
        var invented = work
        invented.attempt = .make()
        #expect(try await agent.succeed(invented, output: "bronze.one").stale == [work.lease])
        #expect(try await plane.run(run.id).state(of: "one") == .leased)
        #expect(try await agent.succeed(work, output: "bronze.one").stale.isEmpty)
    }

    @Test func `a report of too many events is refused whole, and what is invented fills no audit trail`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let made = agent.events((1...1001).map { _ in .progress(.init(step: 1, steps: 1, label: "x")) }, of: nil)
        let error = await refusal {
            _ = try await plane.intake.accept(.init(spool: agent.spool, events: made), from: agent.identity)
        }
        #expect(error?.code == .tooLarge)
        let other = try await plane.agent("b")
        try await plane.start()
        let work = try await other.take()
        for _ in 0..<3 {
            var invented = work
            invented.attempt = .make()
            invented.lease = .make()
            try await other.report(.progress(.init(step: 1, steps: 1, label: "x")), of: invented)
        }
        #expect(try await plane.audited("attempt.report").isEmpty)
    }

    @Test func `a spool belongs to one agent`() async throws {
        let plane = try await ControlPlane()
        let (agent, other) = (try await plane.agent("a"), try await plane.agent("b"))
        try await agent.report(.dropped(.init(events: 3)), of: nil)
        let copied = AgentAPI.ReportRequest(spool: agent.spool, events: agent.events([.dropped(.init(events: 1))], of: nil))
        let error = await refusal { _ = try await plane.intake.accept(copied, from: other.identity) }
        #expect(error?.code == .forbidden && error?.metadata["spool"] == agent.spool.description)
        #expect(try await plane.store.read { try $0.spools.dropped() } == 3)
    }

    @Test func `log chunks are trimmed where they overlap and marked where lines are missing`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(
            .log(.init(offset: 0, lines: lines("0", "1"))), .log(.init(offset: 1, lines: lines("1", "2"))),
            .log(.init(offset: 0, lines: lines("0"))), .log(.init(offset: 5, lines: lines("5"))),
            .log(.init(offset: 6, lines: lines("6"))), .log(.init(offset: -4, lines: lines("x"))), of: work)
        let log = try await plane.reader.logs(run.id, task: "one", after: nil, limit: 100, waiting: .zero)
        #expect(
            log.lines.map(\.line.text) == ["0", "1", "2", "2 log lines before this one were lost on the agent", "5", "6"])
        #expect(log.lines.map(\.line.stream)[3] == .system)
        #expect(!log.complete)
    }

    @Test func `a log is read page by page and followed to its end`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(
            .log(.init(offset: 0, lines: lines("0", "1", "2"))), .log(.init(offset: 3, lines: lines("3", "4"))), of: work)
        var texts: [String] = []
        var cursor: String?
        for _ in 0..<3 {
            let page = try await plane.reader.logs(run.id, task: nil, after: cursor, limit: 2, waiting: .zero)
            texts += page.lines.map(\.line.text)
            cursor = page.next
        }
        #expect(texts == ["0", "1", "2", "3", "4"])
        let (reader, last) = (plane.reader, cursor)
        async let follow = reader.logs(run.id, task: nil, after: last, limit: 10, waiting: .seconds(25))
        try await plane.wakeUps.untilParked(1)
        try await agent.report(.log(.init(offset: 5, lines: lines("5"))), .finished(agent.success("bronze.one")), of: work)
        let end = try await follow
        #expect(end.lines.map(\.line.text) == ["5"] && end.complete)
        let error = await refusal { _ = try await reader.logs(run.id, task: "two", after: nil, limit: 1, waiting: .zero) }
        #expect(error?.code == .notFound && error?.hint?.contains("one") == true)
    }

    @Test func `a success must say what was written, and nothing else than was to be`() async throws {
        let agentless = try await ControlPlane((0..<4).map { task("t\($0)", output: "bronze.t\($0)") })
        let agent = try await agentless.agent()
        let run = try await agentless.start()
        var reports = [agent.success(nil), agent.success("bronze.other"), agent.success("bronze.t2"), agent.success("bronze.t3")]
        reports[2].output?.location = "../../etc"
        for report in reports { try await agent.report(.finished(report), of: try await agent.take()) }
        let seen = try await agentless.run(run.id)
        #expect(seen.states == [.failed, .failed, .failed, .succeeded])
        for name in ["t0", "t1", "t2"] { #expect(seen.attempts(of: name).first?.error?.code == "invalid_report") }
        #expect(seen.state == .failed)
    }

    @Test func `a snapshot is published once`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        try await plane.start()
        let report = agent.success("bronze.one")
        try await agent.report(.finished(report), of: try await agent.take())
        let second = try await plane.start()
        try await agent.report(.finished(report), of: try await agent.take())
        #expect(try await plane.run(second.id).attempts(of: "one").first?.error?.code == "invalid_report")
    }

    @Test func `an observer that throws undoes the acceptance, and the report may come again`() async throws {
        struct Refusing: CompletionObserver {
            struct Planned: Error {}
            func completed(_ completion: AcceptedCompletion, in session: Session) throws { throw Planned() }
        }
        let plane = try await ControlPlane([task("one", output: "bronze.one")], observers: [Refusing()])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let batch = agent.events([.started(.init(pid: 1)), .finished(agent.success("bronze.one"))], of: work)
        await #expect(throws: Refusing.Planned.self) { try await agent.send(batch) }
        #expect(try await plane.run(run.id).state(of: "one") == .leased)
        let kept = try await plane.store.read { try $0.publications.current(environment: "dev", asset: AssetName("bronze.one")!) }
        #expect(kept == nil)
    }

    @Test func `what this build does not know is acknowledged and ignored`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        #expect(try await agent.report(.unknown("telepathy"), .started(.init(pid: 1)), of: nil).acknowledged == 2)
    }

    @Test func `absurd numbers do no harm`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        try await agent.report(
            .log(.init(offset: .max, lines: lines("far"))), .log(.init(offset: .min, lines: lines("before"))),
            .log(.init(offset: .max, lines: lines("far again"))), .dropped(.init(events: .max)),
            .dropped(.init(events: .min)), of: work)
        var end = agent.success("bronze.one")
        end.logLines = .min
        end.output?.rows = .max
        end.metrics.wallSeconds = -.greatestFiniteMagnitude
        try await agent.report(.finished(end), of: work)
        #expect(try await plane.run(run.id).state == .succeeded)
        async let held = agent.poll(free: .max, wait: .greatestFiniteMagnitude, slots: .min)
        try await plane.wakeUps.untilParked(1)
        plane.wakeUps.drain()
        #expect(try await held.assignments.isEmpty)
    }

    @Test func `lineage events are kept in their order`() async throws {
        let plane = try await ControlPlane([task("one", output: "bronze.one")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        let work = try await agent.take()
        let events = [OpenLineage.EventType.start, .running, .complete].map { type in
            OpenLineage.RunEvent(
                eventTime: plane.time.now, eventType: type, run: .init(runId: work.attempt.uuid),
                job: .init(namespace: "flowforge://dev", name: "daily.one"), inputs: [], outputs: [])
        }
        try await agent.send(agent.events(events.map { .lineage($0) }, of: work))
        #expect(try await plane.reader.lineageEvents(run.id, after: nil, limit: 50).items == events)
    }
}
