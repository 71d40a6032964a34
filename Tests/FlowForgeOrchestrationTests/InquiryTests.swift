import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Questions about the lake from the control plane's side: who is given them, and whose answer counts.
@Suite(.timeLimit(.minutes(1))) struct InquiryTests {
    private let question = InquiryQuestion.inspect(
        InspectQuestion(assets: [
            .init(
                asset: AssetName("gold.t")!,
                snapshot: SnapshotReference(id: .make(), version: 3, location: "snapshots/x", home: "qa"))
        ]))
    private let answer = InquiryAnswer.inspect(InspectAnswer(results: [InspectResult(asset: AssetName("gold.t")!, state: .ok)]))

    private func ask(
        _ plane: ControlPlane, _ question: InquiryQuestion? = nil, within: Duration = .seconds(600)
    ) async throws -> ID<Inquiry> {
        let asked = question ?? self.question
        return try await plane.store.write { session in
            try Inquiries(wakeUps: plane.wakeUps).ask(
                asked, pool: ControlPlane.pool, environment: "dev", by: .principal("ada"), within: within, in: session)
        }
    }

    private func poll(_ agent: TestAgent, kinds: [String]? = ["compare", "inspect"], wait: Double = 0) async throws -> [AgentAPI
        .Question]
    {
        var request = AgentAPI.PollRequest(freeSlots: 0, slots: 1, engines: [], waitSeconds: wait)
        request.answers = kinds
        return try await agent.plane.dispatcher.poll(request, from: agent.identity).inquiries ?? []
    }

    private func answer(
        _ asked: AgentAPI.Question, by agent: TestAgent, _ answer: InquiryAnswer?, error: TaskError? = nil
    ) async throws {
        let answered = AgentAPI.Answered(inquiry: asked.inquiry, fencing: asked.fencing, answer: answer, error: error)
        try await agent.report(.answered(answered), of: nil)
    }

    private func find(_ id: ID<Inquiry>, _ plane: ControlPlane) async throws -> InquiryRow {
        try #require(try await plane.store.read { try $0.inquiries.find(id) })
    }

    @Test func `a question is given to one agent, which is told of it until it answers`() async throws {
        let plane = try await ControlPlane()
        let (one, other) = (try await plane.agent("a"), try await plane.agent("b"))
        let id = try await ask(plane)
        #expect(try await find(id, plane).state == .asked)
        let first = try await poll(one)
        #expect(first.map(\.inquiry) == [id] && first.first?.question == question && first.first?.seconds == 600)
        #expect(try await poll(other).isEmpty)
        #expect(try await poll(one) == first, "an answer to a poll may have been lost, or the agent's process")
        try await answer(first[0], by: one, answer)
        let row = try await find(id, plane)
        #expect(row.state == .answered && row.answer == answer && row.agent == one.identity.id && row.error == nil)
        #expect(try await poll(one).isEmpty)
        // Said once more, it changes nothing.
        plane.time.advance(5)
        try await answer(first[0], by: one, nil, error: TaskError(code: "x", message: "y"))
        #expect(try await find(id, plane) == row)
    }

    @Test func `questions go one at a time to an agent that can answer them`() async throws {
        let plane = try await ControlPlane()
        let snapshot = SnapshotReference(id: .make(), version: 1, location: "snapshots/x")
        let compare = InquiryQuestion.compare(
            CompareQuestion(asset: AssetName("gold.t")!, left: snapshot, right: snapshot, keys: ["id"]))
        let first = try await ask(plane, compare)
        let second = try await ask(plane)
        let stranger = try await plane.agent("c", pool: "other")
        #expect(try await poll(stranger).isEmpty)
        let agent = try await plane.agent("a")
        #expect(try await poll(agent, kinds: nil).isEmpty, "an agent of an earlier release")
        #expect(try await poll(agent, kinds: []).isEmpty, "one that takes nothing new")
        #expect(try await poll(agent, kinds: ["inspect"]).map(\.inquiry) == [second])
        #expect(try await poll(agent).map(\.inquiry) == [second], "one at a time")
        let other = try await plane.agent("b")
        #expect(try await poll(other).map(\.inquiry) == [first])
    }

    @Test func `a question is handed on when its agent is gone, and a zombie's answer does not count`() async throws {
        let plane = try await ControlPlane()
        let (one, other) = (try await plane.agent("a"), try await plane.agent("b"))
        let id = try await ask(plane)
        let first = try await poll(one)[0]
        plane.time.advance(80)
        #expect(try await poll(one).map(\.fencing) == [first.fencing], "each poll prolongs")
        plane.time.advance(80)
        #expect(try await poll(other).isEmpty)
        plane.time.advance(91)
        let second = try await poll(other)[0]
        #expect(second.inquiry == id && second.fencing == first.fencing + 1)
        #expect(try await poll(one).isEmpty, "it hears that it is not its own any more")
        try await answer(first, by: one, answer)
        try await answer(second, by: one, answer)
        #expect(try await find(id, plane).state == .taken)
        try await answer(first, by: other, answer)
        #expect(try await find(id, plane).state == .taken)
        try await answer(second, by: other, nil, error: TaskError(code: "io_error", message: "no"))
        let row = try await find(id, plane)
        #expect(row.state == .failed && row.error?.code == "io_error" && row.answer == nil)
    }

    @Test func `a question over which agents are lost is given up`() async throws {
        let plane = try await ControlPlane()
        let agents = [try await plane.agent("a"), try await plane.agent("b")]
        let id = try await ask(plane, within: .seconds(3600))
        for index in 0..<5 {
            let asked = try await poll(agents[index % 2])
            #expect(asked.map(\.fencing) == [Int64(index + 1)])
            plane.time.advance(91)
        }
        #expect(try await poll(agents[1]).isEmpty)
        #expect(try await find(id, plane).error?.code == "agents_lost")
    }

    @Test func `a deadline ends it, before and after that is written down`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let (waits, taken) = (try await ask(plane, within: .seconds(30)), try await ask(plane, within: .zero))
        plane.time.advance(2)
        #expect(try await find(taken, plane).state == .expired)
        #expect(try await find(waits, plane).state == .asked)
        let asked = try await poll(agent)
        #expect(asked.map(\.inquiry) == [waits] && asked[0].seconds == 28)
        plane.time.advance(28)
        try await answer(asked[0], by: agent, answer)
        #expect(try await poll(agent).isEmpty)
        #expect(try await plane.reaper.expireInquiries() == 2)
        #expect(try await plane.reaper.expireInquiries() == 0)
        let row = try await find(waits, plane)
        #expect(row.state == .expired && row.endedAt == plane.time.now && row.answer == nil)
    }

    @Test func `what is withdrawn is not worked on`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let id = try await ask(plane)
        let asked = try await poll(agent)[0]
        try await plane.store.write { try Inquiries(wakeUps: plane.wakeUps).withdraw(id, in: $0) }
        #expect(try await poll(agent).isEmpty)
        try await answer(asked, by: agent, answer)
        #expect(try await find(id, plane).state == .withdrawn)
    }

    @Test func `a poll that waits brings the question at once`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        async let asked = poll(agent, wait: 25)
        try await plane.wakeUps.untilParked(1)
        let id = try await ask(plane)
        #expect(try await asked.map(\.inquiry) == [id])
    }

    @Test func `it survives a restart of the control plane, taken or not`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let (first, second) = (try await ask(plane), try await ask(plane))
        let asked = try await poll(agent)[0]
        // Another process on the same database.
        var options = Store.Options()
        options.now = { plane.time.now }
        let again = try Store(path: plane.folder.appending(path: "flowforge.db").path, options: options)
        #expect(try await again.read { try $0.inquiries.find(first)?.state } == .taken)
        #expect(try await again.read { try $0.inquiries.find(second)?.state } == .asked)
        #expect(
            try await again.write { try $0.inquiries.held(by: agent.identity.id, isAlive: true).map(\.fencing) } == [
                asked.fencing
            ])
        let answered = AgentAPI.Answered(inquiry: first, fencing: asked.fencing, answer: answer)
        #expect(try await again.write { try $0.inquiries.accept(answered, from: agent.identity.id) })
        try again.close()
    }

    @Test func `an answer to another question, or none at all, is a failure`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        for wrong in [InquiryAnswer.compare(CompareAnswer(leftRows: 1, rightRows: 1, columns: [])), .unknown("x"), nil] {
            let id = try await ask(plane)
            let asked = try await poll(agent)[0]
            try await answer(asked, by: agent, wrong)
            #expect(try await find(id, plane).state == .failed)
        }
        // One that was never asked.
        let made = AgentAPI.Answered(inquiry: .make(), fencing: 1, answer: answer)
        try await agent.report(.answered(made), of: nil)
    }

    @Test func `a question that nobody could answer is refused`() async throws {
        let plane = try await ControlPlane()
        let snapshot = SnapshotReference(id: .make(), version: 1, location: "x")
        let table = AssetName("gold.t")!
        let wrong: [InquiryQuestion] = [
            .inspect(InspectQuestion(assets: [])),
            .inspect(InspectQuestion(assets: Array(repeating: .init(asset: table, snapshot: snapshot), count: 2001))),
            .compare(CompareQuestion(asset: table, left: snapshot, right: snapshot, keys: [""])),
            .unknown("x"),
        ]
        for question in wrong { await #expect(throws: APIError.self) { _ = try await ask(plane, question) } }
    }

    @Test func `what ended long ago is forgotten`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let id = try await ask(plane)
        try await answer(try await poll(agent)[0], by: agent, answer)
        plane.time.advance(31 * 86_400)
        _ = try await ask(plane)
        #expect(try await plane.store.read { try $0.inquiries.find(id) } == nil)
    }
}
