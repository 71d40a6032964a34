import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases

/// What time, and what others do meanwhile, make of plans and promotions.
@Suite(.timeLimit(.minutes(2))) struct PromotionTimeTests {
    private static let twoEyes = GateSpec(name: "two-eyes", rule: .approval(.init()))

    @Test func `a plan ends after seven days, and with it what waits for its gates`() async throws {
        let fixture = try await PromotionFixture(prod: .init(gates: [Self.twoEyes]))
        try await fixture.release("1.0.0")
        let asked = try await fixture.request("promote", from: "qa")
        fixture.plane.time.advance(7 * 86_400 + 1)
        let late = try await refused { try await fixture.plans.approve(asked.plan, .init(approves: true), by: fixture.bob) }
        #expect(late?.code == .conflict && late?.message == "the plan has expired")
        #expect(try await fixture.settle(asked.id).state == "expired")
        let applied = try await refused { try await fixture.request("apply", plan: asked.plan) }
        #expect(applied?.message == "the plan has expired")
    }

    @Test func `nobody plans to go to a version that was withdrawn`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        _ = try await fixture.registry.yank("mart", version: "1.0.0", reason: "wrong totals", by: fixture.ann)
        let error = try await refused {
            try await fixture.plans.make(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.ann)
        }
        #expect(error?.code == .bundleYanked && error?.message.contains("wrong totals") == true, "\(String(describing: error))")
    }

    @Test func `a version that comes back soaks anew`() async throws {
        let fixture = try await PromotionFixture()
        let first = try await fixture.release("1.0.0")
        fixture.plane.time.advance(100)
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 4 AS id"])
        fixture.plane.time.advance(100)
        let back = fixture.plane.time.now
        _ = try await fixture.deployments.deploy(.init(bundle: first), environment: "qa", by: fixture.ann)
        let since = try await fixture.plane.store.read { try $0.quality.upstream(environment: "qa", digest: first).since }
        #expect(since.map { abs($0.timeIntervalSince(back)) < 0.01 } == true)
    }

    @Test func `what moves while runs are waited for stops the switch`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 4 AS id"])
        try await fixture.plane.start(bundle: "mart", flow: "build", environment: "prod")
        let asked = try await fixture.request("promote", from: "qa")
        _ = try await fixture.clock().advance()
        #expect(try await fixture.promotions.show(asked.id).done == ["hold"])
        _ = try await fixture.environments.override(
            "size", of: "prod", with: .init(value: 5, reason: "more rows"), by: fixture.bob)
        let ended = try await fixture.settle(asked.id)
        #expect(ended.state == "undone" && ended.message.contains("the world moved since the plan: content.configuration"))
        #expect(ended.journal?.contains { $0.event == "failed" && $0.step == "switch" } == true)
        #expect(try await fixture.environments.show("prod").releases.map(\.bundle.version) == ["1.0.0"])
    }

    @Test func `a demotion that is undone forbids nothing`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        let digest = try await fixture.release("1.1.0", ["bronze.raw": "SELECT 4 AS id"])
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        let asked = try await fixture.request("demote", reason: "recalled", mode: "physical")
        let undone = try await fixture.settle(asked.id, failing: ["bronze_raw"])
        #expect(undone.state == "undone", "\(undone)")
        #expect(try await fixture.plane.store.read { try $0.plans.demotion(of: digest, environment: "prod")?.reason } == nil)
    }

    @Test func `an answer about tables that were published anew meanwhile finds nothing`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        _ = try await fixture.drifts.look("qa")
        try await fixture.plane.start(bundle: "mart", flow: "build", environment: "qa")
        try await fixture.work()
        #expect(try await fixture.inspect(.filesChanged)["qa"]?.count == 2)
        #expect(try await fixture.drifts.look("qa").findings.isEmpty)
    }

    @Test func `where changes come by a plan, drift is not adopted without one`() async throws {
        let fixture = try await PromotionFixture(prod: .init(requiresPlan: true))
        try await fixture.release("1.0.0")
        try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        _ = try await fixture.environments.override(
            "size", of: "prod", with: .init(value: 5, reason: "more rows"), by: fixture.bob)
        #expect(try await fixture.drifts.look("prod").findings.map(\.key) == ["configuration:variable.size"])
        let error = try await refused {
            try await fixture.drifts.adopt("configuration:variable.size", of: "prod", by: fixture.bob)
        }
        #expect(error?.code == .conflict && error?.message.contains("by a plan only") == true)
        #expect(try await fixture.drifts.revert("configuration:variable.size", of: "prod", by: fixture.bob).findings.isEmpty)
    }
}
