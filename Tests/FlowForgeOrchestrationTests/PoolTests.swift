import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Testing

@testable import FlowForgeOrchestration

/// Tasks ask for pools by names that the environment has an answer to.
@Suite(.timeLimit(.minutes(1))) struct PoolTests {
    private static let large = "demo-large"

    /// ingest in the environment's own pool, clean in `large`, sum in the flow's: `large` too where that asks for it.
    private func plane(flow: String? = nil) async throws -> ControlPlane {
        let plane = try await ControlPlane(pools: ["large": Self.large])
        var tasks = medallion
        tasks[1].pool = "large"
        try await plane.deploy(Manifest(name: "shop", version: "2", flows: [FlowSpec(name: "daily", tasks: tasks, pool: flow)]))
        return plane
    }

    @Test func `a task goes to the agents of the pool that it asks for, and to no others`() async throws {
        let plane = try await plane()
        let (own, large) = (try await plane.agent("a"), try await plane.agent("b", pool: Self.large))
        let run = try await plane.start()
        #expect(run.tasks?.map(\.pool) == [ControlPlane.pool, Self.large, ControlPlane.pool])
        #expect(try await large.poll(free: 5).assignments.isEmpty)
        try await own.succeed(try await own.take(), output: "bronze.orders")

        #expect(try await own.poll(free: 5).assignments.isEmpty)
        let clean = try await large.take()
        #expect(clean.task == "clean" && clean.inputs[AssetName("bronze.orders")!]?.version == 1)
        let response = try await large.succeed(clean, output: "silver.orders")
        // Who wrote the table moves its pointer, and is believed.
        let publication = try #require(response.publications.first)
        #expect(publication.asset == AssetName("silver.orders"))
        try await large.report(.published(publication), of: nil)
        #expect(try await plane.run(run.id).unpublished?.contains(AssetName("silver.orders")!) != true)

        #expect(try await large.poll(free: 5).assignments.isEmpty)
        #expect(try await own.take().task == "sum")
    }

    @Test func `what a flow asks for holds for its tasks that ask for nothing`() async throws {
        let run = try await plane(flow: "large").start()
        #expect(run.tasks?.map(\.pool) == [Self.large, Self.large, Self.large])
    }

    @Test func `an agent that waits is woken by a task for its pool`() async throws {
        let plane = try await plane(flow: "large")
        let (own, large) = (try await plane.agent("a"), try await plane.agent("b", pool: Self.large))
        async let idle = own.poll(free: 1, wait: 25)
        try await plane.wakeUps.untilParked(1)
        async let woken = large.poll(free: 1, wait: 25)
        try await plane.wakeUps.untilParked(2)
        let before = plane.store.writeCounts().commits
        try await plane.start()
        #expect(try await woken.assignments.map(\.task) == ["ingest"])
        #expect(plane.store.writeCounts().commits == before + 1, "it was claimed with the start")
        #expect(plane.wakeUps.parked == 1, "the other waits on")
        plane.wakeUps.wake(agent: own.identity.id)
        #expect(try await idle.assignments.isEmpty)
    }

    @Test func `a repetition goes where its run went, whatever the environment says since`() async throws {
        let plane = try await plane()
        let (own, large) = (try await plane.agent("a"), try await plane.agent("b", pool: Self.large))
        let run = try await plane.start()
        try await own.succeed(try await own.take(), output: "bronze.orders")
        try await large.report(.finished(large.failure()), of: try await large.take())
        try await plane.store.write { session in
            let row = try #require(try session.environments.find(ControlPlane.environment))
            var spec = row.spec
            spec.pools = ["large": "elsewhere"]
            _ = try session.environments.update(row, spec: spec, overrides: [:])
        }
        let again = try await plane.starter.rerun(run.id, .init(), by: .principal("ada"))
        #expect(again.tasks?.map(\.pool) == [ControlPlane.pool, Self.large, ControlPlane.pool])
        #expect(try await large.take().task == "clean")
    }

    @Test func `a flow whose pool nobody declared is refused by name`() async throws {
        let plane = try await ControlPlane()
        var tasks = medallion
        tasks[0].pool = "gpu"
        try await plane.deploy(Manifest(name: "shop", version: "2", flows: [FlowSpec(name: "daily", tasks: tasks)]))
        let error = await #expect(throws: APIError.self) { try await plane.start() }
        #expect(error?.code == .invalidRequest && error?.message.contains("'gpu'") == true, "\(error as Any)")
        #expect(error?.hint?.contains("'pools'") == true)
    }
}
