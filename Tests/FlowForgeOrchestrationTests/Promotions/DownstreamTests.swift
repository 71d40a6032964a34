import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeReleases

/// What breaking changes reach, in the environment of the plan and in those after it.
@Suite(.timeLimit(.minutes(2))) struct DownstreamTests {
    private static let tables = [
        "bronze.raw": "SELECT 1 AS id, 2 AS net", "gold.sums": "SELECT id, net AS total FROM bronze.raw",
    ]
    private static let lock = BundleLock(
        "bronze.raw(id BIGINT, net BIGINT)", "gold.sums(id BIGINT, total BIGINT) id<bronze.raw.id total<bronze.raw.net")

    /// `mart` in `qa` and `prod`, and in `prod` a bundle of others that reads a table of it.
    private func ground() async throws -> PromotionFixture {
        let fixture = try await PromotionFixture()
        let mart = try await fixture.push(try fixture.pack("mart", "1.0.0", Self.tables, lock: Self.lock))
        for name in ["qa", "prod"] {
            _ = try await fixture.deployments.deploy(.init(bundle: mart), environment: name, by: fixture.ann)
        }
        let side = try await fixture.push(
            try fixture.pack(
                "side", "1.0.0", ["gold.more": "SELECT total AS share FROM gold.sums"], external: ["gold.sums"],
                lock: BundleLock(
                    "gold.more(share BIGINT) share<gold.sums.total", externals: ["gold.sums(id BIGINT, total BIGINT)"])))
        _ = try await fixture.deployments.deploy(.init(bundle: side), environment: "prod", by: fixture.ann)
        return fixture
    }

    private func plan(
        _ version: String, _ tables: [String: String], _ lock: BundleLock, to environment: String, in fixture: PromotionFixture
    ) async throws -> (view: OperatorAPI.PlanView, hits: [String]) {
        try await fixture.push(try fixture.pack("mart", version, tables, lock: lock))
        let view = try await fixture.plans.make(.init(bundle: "mart@\(version)"), environment: environment, by: fixture.ann).plan
        let plan = try view.plan.decoded(as: Plan.self)
        return (view, plan.content.downstream.map { "\($0.environment): \($0) because \($0.because)" })
    }

    @Test func `a column that goes is told to who is made of it, here and in the environments after`() async throws {
        let fixture = try await ground()
        let tables = ["bronze.raw": "SELECT 1 AS id", "gold.sums": "SELECT id, id AS total FROM bronze.raw"]
        let lock = BundleLock(
            "bronze.raw(id BIGINT)", "gold.sums(id BIGINT, total BIGINT) id<bronze.raw.id total<bronze.raw.id")
        let (_, hits) = try await plan("1.1.0", tables, lock, to: "qa", in: fixture)
        #expect(
            hits == [
                "prod: gold.more.share because bronze.raw.net", "prod: gold.sums.total because bronze.raw.net",
                "qa: gold.sums.total because bronze.raw.net",
            ])
        let (_, here) = try await plan("1.1.0", tables, lock, to: "prod", in: fixture)
        #expect(here == hits.filter { $0.hasPrefix("prod") }, "what comes before is not reached")
    }

    @Test func `a table that goes is told to who reads it`() async throws {
        let fixture = try await ground()
        let lock = BundleLock("bronze.raw(id BIGINT, net BIGINT)")
        let (_, hits) = try await plan("2.0.0", ["bronze.raw": "SELECT 1 AS id, 2 AS net"], lock, to: "qa", in: fixture)
        #expect(hits.contains("prod: gold.more because gold.sums"), "\(hits)")
        #expect(hits.contains("prod: gold.more.share because gold.sums"), "\(hits)")
        #expect(!hits.contains { $0.hasPrefix("qa: gold.more") }, "nobody reads it in qa: \(hits)")
    }

    @Test func `what breaks nothing reaches nobody`() async throws {
        let fixture = try await ground()
        let lock = BundleLock(
            "bronze.raw(id BIGINT, net HUGEINT, more BIGINT)",
            "gold.sums(id BIGINT, total HUGEINT) id<bronze.raw.id total<bronze.raw.net")
        let (view, hits) = try await plan("1.1.0", Self.tables, lock, to: "qa", in: fixture)
        #expect(view.hasChanges && hits.isEmpty, "\(hits)")
    }

    @Test func `a policy of one environment hears of what lies in the next`() async throws {
        let fixture = try await ground()
        let gate = GateSpec(name: "share", rule: .policy(.init(deny: [.init(impact: .breaking, reaches: "gold.more")])))
        try await fixture.apply(
            EnvironmentSpec(
                name: "qa", tier: "qa", upstream: [.init(environment: "dev")], pool: ControlPlane.pool,
                protection: .init(gates: [gate]), mode: .physical))
        let breaking = BundleLock(
            "bronze.raw(id BIGINT)", "gold.sums(id BIGINT, total BIGINT) id<bronze.raw.id total<bronze.raw.id")
        let (denied, _) = try await plan("1.1.0", Self.tables, breaking, to: "qa", in: fixture)
        #expect(denied.standing == "denied")
        let verdict = try #require(denied.verdicts.first).decoded(as: GateVerdict.self)
        #expect(verdict.message.hasSuffix("which reaches gold.more.share"), "\(verdict.message)")
        let wider = BundleLock(
            "bronze.raw(id BIGINT, net HUGEINT)", "gold.sums(id BIGINT, total HUGEINT) id<bronze.raw.id total<bronze.raw.net")
        let (open, _) = try await plan("1.2.0", Self.tables, wider, to: "qa", in: fixture)
        #expect(open.standing == "open")
    }
}
