import FlowForgeProtocol
import Foundation
import Logging
import Synchronization
import Testing

@testable import FlowForgeAgentCore

/// How the agent works on what it is asked, in its loop.
@Suite(.timeLimit(.minutes(1))) struct InquiryDeskTests {
    private let table = AssetName("gold.t")!

    private func question(_ fencing: Int64 = 1, _ question: InquiryQuestion? = nil) -> AgentAPI.Question {
        let expected = InspectQuestion.Expected(
            asset: table, snapshot: SnapshotReference(id: .make(), version: 1, location: "snapshots/x"))
        return AgentAPI.Question(
            inquiry: .make(), fencing: fencing, environment: "dev", seconds: 600,
            question: question ?? .inspect(InspectQuestion(assets: [expected])))
    }

    private func send(_ questions: [AgentAPI.Question], _ stage: LoopTests.Stage) {
        var answer = AgentAPI.PollResponse(serverTime: .now)
        answer.inquiries = questions
        stage.plane.send(answer)
    }

    private func answered(_ stage: LoopTests.Stage) -> [AgentAPI.Answered] {
        stage.plane.events.compactMap { if case .answered(let answered) = $0.body { answered } else { nil } }
    }

    @Test func `a question is answered once, however often it is asked, and beside a task that takes all slots`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try LoopTests.Stage(folder, slots: 1, grace: .zero, task: LoopTests.forever)
            let asked = question(3)
            try await stage.running {
                stage.assign(stage.assignment())
                try await eventually { stage.busy.count == 1 }
                for _ in 0..<3 { send([asked], stage) }
                try await eventually { answered(stage).count == 1 }
                send([asked], stage)
                var again = asked
                again.fencing = 4
                send([again], stage)
                try await eventually { answered(stage).count == 2 }
            }
            let all = answered(stage)
            #expect(all.map(\.inquiry) == [asked.inquiry, asked.inquiry] && all.map(\.fencing) == [3, 4])
            #expect(all[0].answer == .inspect(InspectAnswer(results: [InspectResult(asset: table, state: .missingAsset)])))
            #expect(stage.plane.state.withLock { $0.polls.first?.answers } == ["inspect"])
        }
    }

    @Test func `what cannot be answered fails with its reason`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try LoopTests.Stage(folder, task: { _, _ in })
            let snapshot = SnapshotReference(id: .make(), version: 1, location: "snapshots/x")
            var outside = question()
            outside.environment = "../x"
            let all = [
                outside, question(1, .unknown("guess")),
                question(1, .compare(CompareQuestion(asset: table, left: snapshot, right: snapshot))),
            ]
            try await stage.running {
                send(all, stage)
                try await eventually { answered(stage).count == 3 }
            }
            #expect(answered(stage).map(\.error?.code) == ["invalid_inquiry", "invalid_inquiry", "engine_missing"])
            #expect(answered(stage).map(\.inquiry) == all.map(\.inquiry), "in their order, one at a time")
        }
    }

    @Test func `a comparison whose question is withdrawn is ended, and nothing is said about it`() async throws {
        try await comparing { desk, slow, place, spool in
            #expect(desk.kinds == ["compare", "inspect"])
            desk.heard([slow])
            try await eventually { FileManager.default.fileExists(atPath: place.appending(path: ".compare.stderr").path) }
            desk.heard([question()])
            try await eventually { !FileManager.default.fileExists(atPath: place.path) }
            try await eventually { try await spool.unacknowledged() > 0 }
        }
    }

    @Test func `a question whose time runs out is left, and the next one is answered`() async throws {
        try await comparing { desk, slow, place, spool in
            var short = slow
            short.seconds = 0.2
            desk.heard([short, question()])
            try await eventually { try await spool.unacknowledged() > 0 }
            #expect(!FileManager.default.fileExists(atPath: place.path))
        }
    }

    /// Runs a desk with a question that it takes some seconds to answer, in the folder `place`.
    private func comparing(
        _ body: (_ desk: InquiryDesk, _ slow: AgentAPI.Question, _ place: URL, _ spool: EventSpool) async throws -> Void
    ) async throws {
        let bench = try EngineBench()
        let sql = "SELECT i AS id, md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b FROM range(3000000) t(i)"
        #expect(try await bench.run(bench.select(sql, into: "gold.t")).finished.outcome == .succeeded)
        let snapshot = try bench.current("gold.t")
        try await withTemporaryFolder { folder in
            let spool = try EventSpool(folder: folder.appending(path: "spool"))
            let work = folder.appending(path: "work")
            let desk = InquiryDesk(
                lake: bench.lake, host: try EngineBench.host(), workspaces: work, spool: spool,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let slow = question(1, .compare(CompareQuestion(asset: table, left: snapshot, right: snapshot, keys: ["a", "b"])))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await desk.run() }
                try await body(desk, slow, work.appending(path: slow.inquiry.description), spool)
                group.cancelAll()
            }
        }
    }
}
