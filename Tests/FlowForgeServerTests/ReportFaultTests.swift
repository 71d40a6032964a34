import FlowForgeOrchestration
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeServer

/// Reports that come twice, out of order, in part, or late, at a control plane that serves.
@Suite(.timeLimit(.minutes(1))) struct ReportFaultTests {
    /// A run's first attempt in the hands of an agent, with the events that would end it.
    private struct Work {
        let plane: TestControlPlane
        let agent: TestAgent
        let assignment: AgentAPI.Assignment
        let run: ID<Run>
        let spool = ID<Spool>.make()

        init(_ fixture: OperatorFixture) async throws {
            plane = fixture.plane
            try await fixture.deployDemo()
            run = try await fixture.post(
                "/runs", OperatorAPI.StartRun(environment: "dev", flow: "main"), as: fixture.owner
            ).decoded(OperatorAPI.RunView.self).id
            agent = try await plane.agent(pool: "local")
            assignment = try #require(
                try await agent.poll(freeSlots: 1).decoded(AgentAPI.PollResponse.self).assignments.first)
        }

        /// Numbered from `first`.
        func batch(_ bodies: [AgentAPI.ReportBody], from first: Int64 = 1) -> AgentAPI.ReportRequest {
            AgentAPI.ReportRequest(
                spool: spool,
                events: bodies.enumerated().map { index, body in
                    AgentAPI.ReportEvent(
                        number: first + Int64(index), at: Date(), attempt: assignment.attempt, lease: assignment.lease,
                        fencing: assignment.fencing, body: body)
                })
        }

        func log(_ offset: Int64, _ lines: Int) -> AgentAPI.ReportBody {
            .log(
                .init(
                    offset: offset,
                    lines: (0..<lines).map { LogLine(at: Date(), stream: .stdout, text: "line \(offset + Int64($0))") }))
        }

        var failed: AgentAPI.ReportBody {
            .finished(
                .init(outcome: .failed, metrics: TaskMetrics(), error: TaskError(code: "x", message: "x"), logLines: 6))
        }

        func send(_ report: AgentAPI.ReportRequest) async throws -> TestAgent.Answer {
            try await agent.post("/agent/v1/report", report)
        }

        func send(raw body: Data) async throws -> TestAgent.Answer {
            try await HTTPExchange(plane, certificate: agent.grant.certificate, key: agent.key)
                .send("POST", "/agent/v1/report", body: body)
        }

        func acknowledged(_ answer: TestAgent.Answer) throws -> Int64 {
            try answer.decoded(AgentAPI.ReportResponse.self).acknowledged
        }

        var lines: [String] {
            get async throws {
                try await plane.store.read { [run] in try $0.logs.page(run: run, task: nil, after: .start, limit: 100).lines }
                    .map(\.line.text)
            }
        }

        func expectSound() async throws {
            #expect(try await lines == (0..<6).map { "line \($0)" })
            try await HistoryCheck.require(plane.store)
        }
    }

    @Test func `the same batch twice at one time is taken in once`() async throws {
        try await OperatorFixture.serving { fixture in
            let work = try await Work(fixture)
            let batch = work.batch([.started(.init(pid: 1)), work.log(0, 4), work.log(4, 2), work.failed])
            try await FaultTally.fault("report.duplicated", count: 8) {
                let answers = try await withThrowingTaskGroup(of: TestAgent.Answer.self) { group in
                    for _ in 1...8 { group.addTask { try await work.send(batch) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                for answer in answers { try #require(try work.acknowledged(answer) == 4) }
                try await work.expectSound()
                let finishes = try await work.plane.store.read { try $0.audit.list(action: "attempt.finish", limit: 10) }
                try #require(finishes.count == 1)
            }
        }
    }

    @Test func `an older batch after a newer one changes nothing, and a newer one before an older one is not taken`() async throws
    {
        try await OperatorFixture.serving { fixture in
            let work = try await Work(fixture)
            let first = work.batch([.started(.init(pid: 1)), work.log(0, 4)])
            let second = work.batch([work.log(4, 2), work.failed], from: 3)
            try await FaultTally.fault("report.reordered", count: 3) {
                let early = try await work.send(second)
                try #require(early.status == 409 && early.code == .conflict)
                let error = try WireCoding.decode(ErrorBody.self, from: early.body).error
                try #require(error.metadata["expected"] == "1")
                try #require(try await work.lines.isEmpty)
                try #require(try work.acknowledged(try await work.send(first)) == 2)
                try #require(try work.acknowledged(try await work.send(second)) == 4)
                // Delivered late, whole and in part.
                try #require(try work.acknowledged(try await work.send(first)) == 4)
                try #require(try work.acknowledged(try await work.send(work.batch([work.log(0, 4)], from: 2))) == 4)
                // One that overlaps with what is known brings only what is new.
                let overlap = work.batch([work.log(4, 2), work.failed, .dropped(.init(events: 1))], from: 3)
                try #require(try work.acknowledged(try await work.send(overlap)) == 5)
                try await work.expectSound()
            }
        }
    }

    @Test func `a body that is cut anywhere is not taken in part`() async throws {
        try await OperatorFixture.serving { fixture in
            let work = try await Work(fixture)
            let whole = try WireCoding.encode(
                work.batch([.started(.init(pid: 1)), work.log(0, 4), work.log(4, 2), work.failed]))
            let cuts = stride(from: 0, to: whole.count, by: FaultTally.rounds(97, long: 7))
            try await withTemporaryFolder { folder in
                let (certificate, key) = (folder.appending(path: "agent.pem"), folder.appending(path: "agent.key"))
                try work.agent.grant.certificate.write(to: certificate, atomically: true, encoding: .utf8)
                try work.agent.key.write(to: key, atomically: true, encoding: .utf8)
                for cut in cuts {
                    try await FaultTally.fault("report.truncated") {
                        let part = whole.prefix(cut)
                        // As a whole body of its own …
                        let answer = try await work.send(raw: part)
                        try #require(answer.status == 400)
                    }
                }
                // … and as a connection that ends in the middle of it.
                for cut in [1, whole.count / 2, whole.count - 1] {
                    try await FaultTally.fault("report.cut_connection") {
                        let said = try await OpenSSL.connect(
                            work.plane.agentPort, ["-cert", certificate.path, "-key", key.path],
                            input: "POST /agent/v1/report HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(whole.count)\r\n\r\n"
                                + String(decoding: whole.prefix(cut), as: UTF8.self))
                        try #require(!said.contains("200 OK"), "\(said)")
                    }
                }
            }
            #expect(try await work.lines.isEmpty)
            #expect(try work.acknowledged(try await work.send(raw: whole)) == 4)
            try await work.expectSound()
        }
    }

    @Test func `a batch under a lease that lapsed is acknowledged and dropped, and its agent told`() async throws {
        try await OperatorFixture.serving(configure: {
            $0.orchestration.startLease = .milliseconds(200)
            $0.orchestration.recoveryGrace = .zero
            $0.orchestration.reaperPeriod = .milliseconds(50)
        }) { fixture in
            let work = try await Work(fixture)
            try await FaultTally.fault("report.stale_lease") {
                try await eventually("the lease is taken back") {
                    try await work.plane.store.read { try $0.audit.list(action: "attempt.lose", limit: 1) }.count == 1
                }
                let answer = try await work.send(work.batch([.started(.init(pid: 1)), work.log(0, 6), work.failed]))
                let response = try answer.decoded(AgentAPI.ReportResponse.self)
                try #require(response.acknowledged == 3 && response.stale == [work.assignment.lease])
                try #require(try await work.lines.isEmpty)
                try #require(try await work.plane.refusals("attempt.report") == ["stale_lease"])
                try await HistoryCheck.require(work.plane.store)
            }
        }
    }
}
