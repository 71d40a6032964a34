import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

/// Runs that repeat others.
@Suite(.timeLimit(.minutes(1))) struct RepetitionTests {
    private let ada = Actor.principal("ada")

    /// ingest succeeds, clean fails, sum is skipped.
    private func failedRun(_ plane: ControlPlane, _ agent: TestAgent) async throws -> OperatorAPI.RunView {
        let run = try await plane.start()
        try await agent.succeed(try await agent.take(), output: "bronze.orders")
        try await agent.report(.finished(agent.failure()), of: try await agent.take())
        return try await plane.run(run.id)
    }

    @Test func `a run is repeated from what failed, on the results that it had`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let failed = try await failedRun(plane, agent)
        #expect(failed.state == .failed && failed.states == [.succeeded, .failed, .skipped])
        // Another run publishes meanwhile; the repetition reads what its own run had made.
        try await plane.start()
        try await agent.succeed(try await agent.take(), output: "bronze.orders")
        let clean = try await agent.take()
        #expect(clean.inputs[AssetName("bronze.orders")!]?.version == 2)
        try await agent.report(.finished(agent.failure()), of: clean)

        let again = try await plane.starter.rerun(failed.id, .init(), by: ada)
        #expect(again.rerunOf == failed.id && again.cause == .rerun)
        #expect(again.states == [.succeeded, .ready, .waiting])
        #expect(again.tasks?.first?.reuses == failed.attempts(of: "ingest").first?.id)
        let work = try await agent.take()
        #expect(work.task == "clean" && work.inputs[AssetName("bronze.orders")!]?.version == 1)
        try await agent.succeed(work, output: "silver.orders")
        try await agent.succeed(try await agent.take(), output: "gold.sales")
        #expect(try await plane.run(again.id).state == .succeeded)
        #expect(try await plane.audited("run.start").last?.detail["rerunOf"]?.string == failed.id.description)
    }

    @Test func `a repetition of a repetition keeps the first results`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let failed = try await failedRun(plane, agent)
        let second = try await plane.starter.rerun(failed.id, .init(), by: ada)
        try await agent.report(.finished(agent.failure()), of: try await agent.take())
        let third = try await plane.starter.rerun(second.id, .init(), by: ada)
        #expect(third.tasks?.first?.reuses == failed.attempts(of: "ingest").first?.id)
        #expect(try await agent.take().inputs[AssetName("bronze.orders")!]?.version == 1)
    }

    @Test func `chosen tasks are repeated with what depends on them, or without`() async throws {
        let plane = try await ControlPlane(medallion + [task("aside", output: "bronze.aside")])
        let agent = try await plane.agent()
        let run = try await plane.start()
        while let work = try await agent.poll().assignments.first {
            let output = ["ingest": "bronze.orders", "clean": "silver.orders", "sum": "gold.sales", "aside": "bronze.aside"]
            try await agent.succeed(work, output: output[work.task])
        }
        #expect(try await plane.run(run.id).state == .succeeded)
        await #expect(throws: APIError.self) { try await plane.starter.rerun(run.id, .init(), by: ada) }
        let graph = try await plane.starter.rerun(run.id, .init(tasks: ["clean"]), by: ada)
        #expect(graph.tasks?.filter { $0.reuses == nil }.map(\.name) == ["clean", "sum"])
        _ = try await plane.starter.cancel(graph.id, by: ada)
        let only = try await plane.starter.rerun(run.id, .init(tasks: ["clean"], only: true), by: ada)
        #expect(only.tasks?.filter { $0.reuses == nil }.map(\.name) == ["clean"])
        try await agent.succeed(try await agent.take(), output: "silver.orders")
        #expect(try await plane.run(only.id).state == .succeeded)
        let all = try await plane.starter.rerun(run.id, .init(all: true), by: ada)
        #expect(all.tasks?.allSatisfy { $0.reuses == nil } == true)
    }

    @Test func `what cannot be repeated is refused with a reason`() async throws {
        let plane = try await ControlPlane()
        let agent = try await plane.agent()
        let open = try await plane.start()
        func code(_ body: () async throws -> OperatorAPI.RunView) async -> ErrorCode? {
            do { _ = try await body() } catch { return (error as? APIError)?.code }
            return nil
        }
        #expect(await code { try await plane.starter.rerun(open.id, .init(), by: ada) } == .conflict)
        _ = try await plane.starter.cancel(open.id, by: ada)
        #expect(await code { try await plane.starter.rerun(open.id, .init(tasks: ["swim"]), by: ada) } == .notFound)
        #expect(await code { try await plane.starter.rerun(open.id, .init(tasks: ["sum"]), by: ada) } == .conflict)
        #expect(await code { try await plane.starter.rerun(.make(), .init(), by: ada) } == .notFound)
        #expect(try await agent.poll().assignments.isEmpty)
    }

    @Test func `a wide graph runs to its end`() async throws {
        // A root, a wide middle that all wait for it, and a last task that waits for all of the middle.
        var specs = [task("a_root", output: "bronze.root")]
        specs += (0..<2000).map { index in
            var spec = task("m\(index)", output: nil)
            spec.after = ["a_root"]
            return spec
        }
        var last = task("z_last", output: nil)
        last.after = (0..<2000).map { "m\($0)" }
        let plane = try await ControlPlane(specs + [last])
        let agent = try await plane.agent()
        let run = try await plane.start()
        var done = 0
        while true {
            let work = try await agent.poll(free: 64).assignments
            if work.isEmpty { break }
            for one in work { try await agent.succeed(one, output: one.task == "a_root" ? "bronze.root" : nil) }
            done += work.count
        }
        #expect(done == 2002)
        #expect(try await plane.run(run.id).state == .succeeded)
    }
}
