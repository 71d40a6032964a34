import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeOrchestration

/// Environments that point at snapshots of others.
@Suite(.timeLimit(.minutes(1))) struct PointerMoveTests {
    private let orders = AssetName("bronze.orders")!
    private let tasks = [
        task("ingest", output: "bronze.orders"),
        task("clean", layer: .silver, inputs: ["bronze.orders"], output: "silver.orders"),
    ]

    private func plane() async throws -> (ControlPlane, TestAgent) {
        let plane = try await ControlPlane(tasks)
        try await plane.store.write { session in
            _ = try session.environments.insert(EnvironmentSpec(name: "prod", pool: ControlPlane.pool), by: "principal:test")
            let release = try #require(try session.releases.current(environment: "dev").first)
            _ = try session.releases.insert(
                .make(), environment: "prod", bundle: release.bundle,
                config: ReleaseConfig(pool: ControlPlane.pool, variables: [:]), by: "principal:test")
        }
        return (plane, try await plane.agent())
    }

    /// Runs the flow's first task, which writes bronze.orders, in the environment.
    private func write(
        _ columns: [String] = ["id"], in environment: String, _ plane: ControlPlane, _ agent: TestAgent
    ) async throws -> SnapshotReference {
        plane.time.advance(60)
        let run = try await plane.start(environment: environment)
        let work = try await agent.take()
        let response = try await agent.succeed(work, output: "bronze.orders", columns: columns)
        // What follows is not of interest here.
        let next = try await agent.take()
        try await agent.report(.finished(agent.failure()), of: next)
        #expect(try await plane.run(run.id).state == .failed)
        return try #require(response.publications.first).snapshot
    }

    private func point(_ snapshot: SnapshotReference, above: Int = 0, _ plane: ControlPlane) async throws -> SnapshotReference {
        try await plane.store.write { session in
            let moved = try session.publications.point(
                snapshot, of: orders, environment: "prod", pool: ControlPlane.pool, offerAt: session.now, above: above)
            try session.assets.point(moved, of: orders, environment: "prod")
            return moved
        }
    }

    private func isSound(_ plane: ControlPlane) async throws -> Bool {
        let violations = try await plane.store.read { try $0.history.violations() }
        #expect(violations.isEmpty, "\(violations)")
        return violations.isEmpty
    }

    @Test func `prod points at what dev made, and its tasks and the catalog follow`() async throws {
        let (plane, agent) = try await plane()
        let made = try await write(["id", "amount"], in: "dev", plane, agent)
        _ = try await plane.store.write { try $0.publications.offer(pool: ControlPlane.pool, delay: .seconds(2), limit: 100) }
        let moved = try await point(made.moved(from: "dev", to: "prod"), plane)
        #expect(moved == SnapshotReference(id: made.id, version: 1, location: made.location, home: "dev"))

        // Agents are told, and confirm.
        let offered = try await agent.poll(free: 0).publications
        #expect(offered.contains { $0.environment == "prod" && $0.snapshot == moved })
        try await agent.report(.published(.init(environment: "prod", asset: orders, snapshot: moved)), of: nil)
        plane.time.advance(60)
        #expect(try await !agent.poll(free: 0).publications.contains { $0.environment == "prod" })

        let asset = try await plane.catalog.asset(orders, environment: "prod")
        #expect(asset.environment == "prod" && asset.snapshot == moved && asset.rows == 2)
        #expect(asset.schema?.map(\.name) == ["id", "amount"] && asset.history?.map(\.snapshot) == [moved])
        #expect(try await plane.catalog.assets(environment: "prod", layer: nil, after: nil, limit: 9).items.count == 1)

        // A run there is based on it; what it writes is its own, with the next version.
        try await plane.start(environment: "prod")
        let work = try await agent.take()
        #expect(work.base == moved && work.environment == "prod")
        let answer = try await agent.succeed(work, output: "bronze.orders", columns: ["id", "amount"])
        let own = try #require(answer.publications.first).snapshot
        #expect(own.version == 2 && own.home == nil)
        let next = try await agent.take()
        #expect(next.inputs[orders] == own)
        try await agent.report(.finished(agent.failure()), of: next)

        // Back, although its id is older; and dev's own is where it was.
        let back = try await point(moved, plane)
        #expect(back.version == 3 && back.id == made.id && back.home == "dev")
        let history = try #require(try await plane.catalog.asset(orders, environment: "prod").history)
        #expect(history.map(\.snapshot) == [back, own, moved] && history.allSatisfy { !$0.schemaChanged })
        #expect(try await plane.catalog.asset(orders, environment: "dev").snapshot == made)
        #expect(try await isSound(plane))
    }

    @Test func `a move to another schema is a change of schema, and so is the way back`() async throws {
        let (plane, agent) = try await plane()
        let own = try await write(["id"], in: "prod", plane, agent)
        let made = try await write(["id", "amount"], in: "dev", plane, agent)
        plane.time.advance(1)
        let there = try await point(made.moved(from: "dev", to: "prod"), plane)
        plane.time.advance(1)
        let back = try await point(own, plane)
        let asset = try await plane.catalog.asset(orders, environment: "prod")
        #expect(asset.snapshot == back && asset.snapshot.version == 3 && asset.snapshot.home == nil)
        #expect(asset.schema?.map(\.name) == ["id"] && asset.publishedAt == plane.time.now)
        #expect(asset.history?.map(\.schemaChanged) == [true, true, false])
        #expect(asset.history?.map(\.snapshot) == [back, there, own])
        let next = try await write(["id"], in: "prod", plane, agent)
        let history = try await plane.catalog.asset(orders, environment: "prod").history
        #expect(next.version == 4 && history?.first?.schemaChanged == false)
        #expect(try await isSound(plane))
    }

    @Test func `what others wrote into the lake is surpassed`() async throws {
        let (plane, agent) = try await plane()
        let own = try await write(in: "prod", plane, agent)
        let again = try await point(own, above: 41, plane)
        #expect(again.version == 42 && again.id == own.id)
        #expect(try await write(in: "prod", plane, agent).version == 43)
        #expect(try await isSound(plane))
    }

    @Test func `a snapshot that the catalog does not know, or of another asset or place, is refused`() async throws {
        let (plane, agent) = try await plane()
        let made = try await write(in: "dev", plane, agent)
        var unknown = made
        unknown.id = .make()
        for wrong in [unknown.moved(from: "dev", to: "prod"), made] {
            await #expect(throws: StoreError.self) { _ = try await point(wrong, plane) }
        }
        var strange = made
        strange.home = "../dev"
        await #expect(throws: StoreError.self) { _ = try await point(strange, plane) }
        #expect(try await plane.store.read { try $0.publications.current(environment: "prod", asset: orders) } == nil)
    }

    @Test func `a thousand pointers move in one transaction and reach the lake in ten answers`() async throws {
        let (plane, agent) = try await plane()
        _ = try await write(in: "dev", plane, agent)
        let run = try await plane.catalog.asset(orders, environment: "dev").run
        let attempt = try #require(try await plane.run(run).attempts(of: "ingest").first).id
        let assets = (0..<1000).map { AssetName("gold.t\($0)")! }
        // As many tables of dev as there are to move.
        try await plane.store.write { session in
            for asset in assets {
                let snapshot = ID<Snapshot>.make()
                let output = TaskOutput(
                    asset: asset, snapshot: snapshot, location: "snapshots/\(snapshot)", rows: 1, bytes: 1,
                    schema: [ColumnSchema(name: "id", type: "BIGINT")], statistics: [])
                let reference = try session.publications.publish(
                    snapshot, location: output.location, of: asset, environment: "dev", pool: "other", offerAt: session.now)
                try session.assets.record(
                    .init(output: output, snapshot: reference),
                    of: AcceptedCompletion(
                        run: run, environment: "dev", task: "ingest", attempt: attempt, agent: agent.identity.id,
                        fencing: 1, acceptedAt: session.now, published: nil, lineage: nil))
            }
        }
        let before = plane.store.writeCounts()
        try await plane.store.write { session in
            for asset in assets {
                let current = try #require(try session.publications.current(environment: "dev", asset: asset))
                let moved = try session.publications.point(
                    current.moved(from: "dev", to: "prod"), of: asset, environment: "prod", pool: ControlPlane.pool,
                    offerAt: session.now)
                try session.assets.point(moved, of: asset, environment: "prod")
            }
        }
        let after = plane.store.writeCounts()
        #expect(after.commits == before.commits + 1 && after.operations == before.operations + 1)
        var told: Set<AssetName> = []
        for _ in 0..<10 {
            let publications = try await agent.poll(free: 0, wait: 5).publications.filter { $0.environment == "prod" }
            told.formUnion(publications.map(\.asset))
            let events = agent.events(publications.map { .published($0) }, of: nil)
            try await agent.send(events)
        }
        #expect(told.isSuperset(of: assets))
        plane.time.advance(600)
        #expect(try await agent.poll(free: 0).publications.filter { $0.asset.layer == .gold }.isEmpty, "all are confirmed")
    }

    @Test func `a poll that waits is woken for pointers that move, also of an agent that is full`() async throws {
        let (plane, agent) = try await plane()
        let made = try await write(in: "dev", plane, agent)
        try await agent.report(.published(.init(environment: "dev", asset: orders, snapshot: made)), of: nil)
        let moved = made.moved(from: "dev", to: "prod")
        async let answer = agent.poll(free: 0, wait: 25)
        try await plane.wakeUps.untilParked(1)
        _ = try await plane.store.write { [orders] session in
            let wakeUps: any PoolWaking = plane.wakeUps
            session.whenCommitted { wakeUps.wake(pool: ControlPlane.pool) }
            return try session.publications.point(
                moved, of: orders, environment: "prod", pool: ControlPlane.pool, offerAt: session.now)
        }
        #expect(try await answer.publications.map(\.environment) == ["prod"])
    }
}
