import FlowForgeBundle
import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases
@testable import FlowForgeStore

/// What a change of an environment is kept from.
@Suite(.timeLimit(.minutes(2))) struct PromotionGuardTests {
    @Test func `pointers are moved only to an upstream's, and only within one lake`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        func refusal(_ request: OperatorAPI.MakePlan, _ environment: String = "prod") async throws -> APIError? {
            try await refused { try await fixture.plans.make(request, environment: environment, by: fixture.ann) }
        }
        let nowhere = try await refusal(.init(bundle: "mart@1.0.0", mode: "virtual"))
        #expect(nowhere?.code == .invalidRequest && nowhere?.hint?.contains("--from") == true)
        let stranger = try await refusal(.init(bundle: "mart@1.0.0", source: "dev"))
        #expect(stranger?.code == .conflict && stranger?.message == "'dev' is no upstream of 'prod'")
        #expect(stranger?.hint?.contains("promote from qa") == true)
        try await fixture.apply(
            EnvironmentSpec(
                name: "far", tier: "prod", upstream: [.init(environment: "qa")], pool: ControlPlane.pool,
                storage: ["gold": "fast"], mode: .virtual))
        let apart = try await refusal(.init(bundle: "mart@1.0.0", source: "qa"), "far")
        #expect(apart?.code == .conflict && apart?.message.contains("share no storage (another root)") == true)
        #expect(try await refusal(.init(bundle: "mart@1.0.0", mode: "physical", source: "qa"), "far") == nil)
    }

    @Test func `the plan of a rollback is nobody's to apply, and each rollback goes further back`() async throws {
        let fixture = try await PromotionFixture()
        var states: [[String]] = []
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            var tables = PromotionFixture.tables
            tables["bronze.raw"] = "SELECT \(states.count) AS id"
            try await fixture.release(version, tables)
            try await fixture.settle(try await fixture.request("promote", from: "qa").id)
            states.append(try await fixture.state(of: "prod"))
        }
        let back = try await fixture.settle(try await fixture.request("rollback", reason: "wrong").id)
        #expect(try await fixture.state(of: "prod") == states[1])
        let applied = try await refused { try await fixture.request("apply", plan: back.plan) }
        #expect(applied?.code == .conflict && applied?.message.contains("return to an earlier release") == true)
        try await fixture.settle(try await fixture.request("rollback", reason: "still wrong").id)
        #expect(try await fixture.state(of: "prod") == states[0])
        let last = try await refused { try await fixture.request("rollback", reason: "once more") }
        #expect(last?.message.contains("no release before this one") == true)
    }

    @Test func `what the source has now is not promoted in place of what was planned`() async throws {
        let gate = GateSpec(name: "two-eyes", rule: .approval(.init()))
        let fixture = try await PromotionFixture(prod: .init(gates: [gate]))
        try await fixture.release("1.0.0")
        let waiting = try await fixture.request("promote", from: "qa")
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 5 AS id"])
        _ = try await fixture.plans.approve(waiting.plan, .init(approves: true), by: fixture.bob)
        let ended = try await fixture.settle(waiting.id)
        #expect(ended.state == "undone" && ended.message.contains("'qa' no longer has mart@1.0.0"), "\(ended)")
        #expect(try await fixture.environments.show("prod").releases.isEmpty)
    }

    @Test func `a rejection after the gates were open keeps the change from beginning`() async throws {
        let gate = GateSpec(name: "two-eyes", rule: .approval(.init()))
        let fixture = try await PromotionFixture(prod: .init(gates: [gate]))
        try await fixture.release("1.0.0")
        let asked = try await fixture.request("promote", from: "qa")
        _ = try await fixture.plans.approve(asked.plan, .init(approves: true), by: fixture.bob)
        #expect(try await fixture.clock().step(asked.id), "its gates are open: it takes its place in the queue")
        _ = try await fixture.plans.approve(asked.plan, .init(approves: false, reason: "no"), by: fixture.bob)
        let ended = try await fixture.settle(asked.id)
        #expect(ended.state == "refused" && ended.message.contains("rejected"), "\(ended)")
    }

    @Test func `one who says no right before the change begins is heard`() async throws {
        let gate = GateSpec(name: "two-eyes", rule: .approval(.init()))
        let fixture = try await PromotionFixture(prod: .init(gates: [gate]))
        try await fixture.release("1.0.0")
        let asked = try await fixture.request("promote", from: "qa")
        _ = try await fixture.plans.approve(asked.plan, .init(approves: true), by: fixture.bob)
        #expect(try await fixture.clock().step(asked.id))
        let row = try await fixture.plane.store.read { try $0.promotions.required(asked.id) }
        #expect(row.state == .queued)
        _ = try await fixture.plans.approve(asked.plan, .init(approves: false, reason: "no"), by: fixture.bob)
        #expect(try await !fixture.clock().begin(row), "the gates were looked at before, and are looked at again")
        #expect(try await fixture.promotions.show(asked.id).state == "queued")
    }

    @Test func `a table that nobody published takes the change back`() async throws {
        let fixture = try await PromotionFixture(mode: .physical)
        try await fixture.release("1.0.0")
        let asked = try await fixture.request("promote", from: "qa")
        for _ in 0..<50 where try await fixture.promotions.show(asked.id).done.last != "compute" {
            if try await !fixture.clock().step(asked.id) { try await fixture.work() }
        }
        _ = try await fixture.plane.store.write {
            try $0.change("DELETE FROM publication WHERE environment = 'prod' AND asset = 'gold.sums'")
        }
        let ended = try await fixture.settle(asked.id)
        #expect(ended.state == "undone" && ended.message == "gold.sums was not published", "\(ended)")
        #expect(try await fixture.environments.show("prod").releases.isEmpty)
    }

    @Test func `flows run after those whose tables they read`() async throws {
        let fixture = try await PromotionFixture(mode: .physical)
        let folder = fixture.plane.folder.appending(path: "two-flows")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let manifest = """
            bundle: {name: mart, version: 1.0.0}
            flows:
              a: {tasks: {gold_sums: {layer: gold, sql: sums.sql, inputs: [bronze.raw], output: gold.sums}}}
              z: {tasks: {bronze_raw: {layer: bronze, sql: raw.sql, output: bronze.raw}}}
            """
        for (name, text) in [
            "flowforge.yaml": manifest, "sums.sql": "SELECT id FROM bronze.raw", "raw.sql": "SELECT 1 AS id",
        ] { try Data(text.utf8).write(to: folder.appending(path: name)) }
        let digest = try await fixture.push(try BundleBuilder.build(BundleFolder(folder)))
        _ = try await fixture.deployments.deploy(.init(bundle: digest), environment: "qa", by: fixture.ann)
        let asked = try await fixture.request("promote", from: "qa")
        _ = try await fixture.clock().advance()
        #expect(try await flows(of: asked.id, fixture) == ["z"])
        let ended = try await fixture.settle(asked.id)
        #expect(ended.state == "succeeded", "\(ended)")
        #expect(try await flows(of: asked.id, fixture) == ["a", "z"])
    }

    private func flows(of promotion: ID<Promotion>, _ fixture: PromotionFixture) async throws -> [String] {
        try await fixture.plane.store.read { session in
            try session.promotions.runs(of: promotion).compactMap { try session.runs.find($0)?.flow }.sorted()
        }
    }

    @Test func `what was demoted is not deployed either`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", to: "dev")
        let digest = try await fixture.release("1.1.0", ["bronze.raw": "SELECT 3 AS id"], to: "dev")
        let demoted = try await fixture.settle(try await fixture.request("demote", to: "dev", reason: "recalled").id)
        #expect(demoted.state == "succeeded", "\(demoted)")
        let error = try await refused {
            try await fixture.deployments.deploy(.init(bundle: digest), environment: "dev", by: fixture.ann)
        }
        #expect(error?.code == .conflict && error?.message.contains("demoted from 'dev' by principal:ann: recalled") == true)
    }

    @Test func `the lineage of a time is that of the releases of then`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        let then = fixture.plane.time.now
        fixture.plane.time.advance(60)
        try await fixture.release(
            "1.1.0", ["bronze.raw": "SELECT 1 AS id", "silver.between": "SELECT id FROM bronze.raw"])
        func sources(of asset: String, at time: Date) async throws -> [String] {
            let name = try #require(AssetName(asset))
            return try await fixture.plane.catalog.lineage(
                of: name, column: nil, environment: "qa", direction: .upstream, depth: 5, at: time
            ).nodes.map(\.name)
        }
        #expect(try await sources(of: "gold.sums", at: then) == ["gold.sums", "bronze.raw"])
        #expect(try await sources(of: "silver.between", at: fixture.plane.time.now) == ["silver.between", "bronze.raw"])
        for (asset, time) in [("silver.between", then), ("gold.sums", fixture.plane.time.now)] {
            #expect(try await refused { try await sources(of: asset, at: time) }?.code == .notFound, "\(asset)")
        }
    }
}
