import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeReleases

/// The gates `classification` and `residency` on bundles with locks.
@Suite(.timeLimit(.minutes(2))) struct PlacementGateTests {
    private static let people = ["gold.sums": "SELECT id, name AS who FROM silver.people"]
    private static let external = "silver.people(id BIGINT, name VARCHAR:confidential)"

    private func prod(
        _ fixture: PromotionFixture, residency: String? = nil, classification: DataClass? = nil, _ rule: GateSpec.Rule
    ) async throws {
        try await fixture.apply(
            EnvironmentSpec(
                name: "prod", tier: "prod", upstream: [.init(environment: "qa")], residency: residency,
                classification: classification, pool: ControlPlane.pool,
                protection: .init(gates: [GateSpec(name: "place", rule: rule)]), mode: .virtual))
    }

    private func qa(_ fixture: PromotionFixture, residency: String?) async throws {
        try await fixture.apply(
            EnvironmentSpec(
                name: "qa", tier: "qa", upstream: [.init(environment: "dev")], residency: residency, pool: ControlPlane.pool,
                mode: .physical))
    }

    /// What the gate says of a bundle whose table is made of people's names.
    private func verdict(_ version: String, _ column: String, in fixture: PromotionFixture) async throws -> GateVerdict {
        try await fixture.push(
            try fixture.pack(
                "mart", version, Self.people, external: ["silver.people"],
                lock: BundleLock(
                    "gold.sums(id BIGINT, \(column)) id<silver.people.id who<silver.people.name", externals: [Self.external])))
        let view = try await fixture.plans.make(.init(bundle: "mart@\(version)"), environment: "prod", by: fixture.ann).plan
        return try #require(view.verdicts.first).decoded(as: GateVerdict.self)
    }

    @Test func `a class comes along with the column, and a column that has one of its own keeps to it`() async throws {
        let fixture = try await PromotionFixture()
        try await prod(fixture, classification: .internal, .classification)
        let inherited = try await verdict("1.0.0", "who VARCHAR", in: fixture)
        #expect(inherited.state == .failed, "\(inherited.message)")
        #expect(inherited.message == "gold.sums.who is confidential, above internal")
        let lower = try await verdict("1.1.0", "who VARCHAR:internal", in: fixture)
        #expect(lower.state == .passed, "\(lower.message)")
        let higher = try await verdict("1.2.0", "who VARCHAR:restricted", in: fixture)
        #expect(higher.message == "gold.sums.who is restricted, above internal")
        let strange = try await verdict("1.3.0", "who VARCHAR:cosmic", in: fixture)
        #expect(strange.state == .failed, "a class that is not known is above all: \(strange.message)")

        try await prod(fixture, classification: .confidential, .classification)
        #expect(try await verdict("1.4.0", "who VARCHAR", in: fixture).state == .passed, "the ceiling itself is allowed")
    }

    @Test func `tables of another zone are not pointed at, but may be made anew`() async throws {
        let fixture = try await PromotionFixture()
        try await qa(fixture, residency: "eu")
        try await prod(fixture, residency: "us", .residency)
        try await fixture.release("1.0.0", lock: PromotionFixture.lock)
        let stopped = try await fixture.settle(try await fixture.request("promote", from: "qa").id, working: false)
        #expect(stopped.state == "refused", "\(stopped.message)")
        #expect(stopped.message.contains("is bound to eu and would land in us"), "\(stopped.message)")
        let made = try await fixture.settle(try await fixture.request("promote", from: "qa", mode: "physical").id)
        #expect(made.state == "succeeded", "\(made.message)")
    }

    @Test func `tables of the same zone are pointed at`() async throws {
        let fixture = try await PromotionFixture()
        try await qa(fixture, residency: "eu")
        try await prod(fixture, residency: "eu", .residency)
        try await fixture.release("1.0.0", lock: PromotionFixture.lock)
        let moved = try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        #expect(moved.state == "succeeded", "\(moved.message)")
    }
}
