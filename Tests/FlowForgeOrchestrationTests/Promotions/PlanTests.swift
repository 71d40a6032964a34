import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases

@Suite(.timeLimit(.minutes(2))) struct PlanTests {
    private func plan(
        _ fixture: PromotionFixture, _ bundle: String?, to environment: String = "prod", from source: String? = nil,
        by actor: Actor? = nil
    ) async throws -> (view: OperatorAPI.PlanView, plan: Plan) {
        let view = try await fixture.plans.make(
            .init(bundle: bundle, source: source), environment: environment, by: actor ?? fixture.ann
        ).plan
        return (view, try view.plan.decoded(as: Plan.self))
    }

    @Test func `comments and formatting are no changes, other queries are`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", to: "prod")
        try await fixture.push(
            try fixture.pack(
                "mart", "1.0.1",
                ["bronze.raw": "-- the start\nselect 1   AS id", "gold.sums": "SELECT id /* all */ FROM bronze.raw"]))
        let same = try await plan(fixture, "mart@1.0.1").plan
        #expect(
            same.content.changes.map(\.name) == ["build.bronze_raw"],
            "SQL is compared as it is written but for comments and spaces")
        try await fixture.push(
            try fixture.pack(
                "mart", "1.0.2", ["bronze.raw": "-- the start\nSELECT 1 AS id", "gold.sums": "SELECT id\nFROM bronze.raw"]))
        let formatted = try await plan(fixture, "mart@1.0.2").plan
        #expect(formatted.content.changes.isEmpty && formatted.content.recompute.isEmpty && formatted.content.impact == nil)
        try await fixture.push(
            try fixture.pack("mart", "1.1.0", ["bronze.raw": "SELECT 2 AS id", "gold.sums": "SELECT id FROM bronze.raw"]))
        let other = try await plan(fixture, "mart@1.1.0").plan
        #expect(other.content.changes.map(\.name) == ["build.bronze_raw"])
        #expect(other.content.recompute.map(\.reason) == [.changed, .upstream])
    }

    /// Whatever is released in whatever order, planning what was just applied is empty, and the document's digest is
    /// that of its canonical bytes.
    @Test(arguments: 1...3 as ClosedRange<UInt64>) func `a plan after its being applied is empty`(seed: UInt64) async throws {
        let fixture = try await PromotionFixture()
        var generator = SeededNumbers(seed: seed)
        var names: [String] = []
        for number in 0..<6 {
            var tables = ["bronze.raw": "SELECT \(Int.random(in: 0...2, using: &generator)) AS id"]
            if Bool.random(using: &generator) { tables["gold.sums"] = "SELECT id FROM bronze.raw" }
            if Bool.random(using: &generator) { tables["gold.more"] = "SELECT id + \(number) AS id FROM bronze.raw" }
            try await fixture.push(try fixture.pack("mart", "1.\(number).0", tables))
            names.append("mart@1.\(number).0")
        }
        for _ in 0..<12 {
            let wanted = names.randomElement(using: &generator)!
            if Bool.random(using: &generator) {
                let value = JSONValue.integer(Int64.random(in: 1...3, using: &generator))
                _ = try await fixture.environments.override(
                    "size", of: "prod", with: .init(value: value, reason: "x"), by: fixture.ann)
            }
            let (view, document) = try await plan(fixture, wanted)
            #expect(view.digest == ContentDigest.of(try WireCoding.encode(document)), "seed \(seed)")
            #expect(view.digest == ContentDigest.of(try WireCoding.encode(view.plan)), "seed \(seed)")
            if view.hasChanges {
                let done = try await fixture.settle(
                    try await fixture.request("apply", plan: view.digest, computes: false).id, working: false)
                #expect(done.state == "succeeded", "seed \(seed): \(done.message)")
            }
            let after = try await plan(fixture, wanted).view
            #expect(after.isEmpty && !after.hasChanges, "seed \(seed): \(after.plan)")
            #expect(try await plan(fixture, nil).view.isEmpty, "seed \(seed)")
        }
    }

    @Test func `an approval is of one plan, of another person, and counts until something changes`() async throws {
        let gate = GateSpec(name: "two-eyes", rule: .approval(.init()))
        let fixture = try await PromotionFixture(prod: .init(requiresPlan: true, gates: [gate]))
        try await fixture.push(try fixture.pack("mart", "1.0.0", PromotionFixture.tables))
        let direct = try await refused {
            try await fixture.deployments.deploy(.init(bundle: "mart@1.0.0"), environment: "prod", by: fixture.ann)
        }
        #expect(direct?.code == .conflict && direct?.hint?.contains("flowforge plan") == true)
        let (view, _) = try await plan(fixture, "mart@1.0.0")
        #expect(view.standing == "pending")
        let own = try await fixture.plans.approve(view.digest, .init(approves: true), by: fixture.ann)
        #expect(own.standing == "pending")
        #expect(try await fixture.plans.approve(view.digest, .init(approves: true), by: fixture.bob).standing == "open")
        // Who asks for the plan again becomes one of those who asked.
        _ = try await plan(fixture, "mart@1.0.0", by: fixture.bob)
        #expect(try await fixture.plans.show(view.digest).standing == "pending")

        try await fixture.push(try fixture.pack("mart", "1.0.1", ["bronze.raw": "SELECT 5 AS id"]))
        let other = try await plan(fixture, "mart@1.0.1").view
        #expect(other.digest != view.digest && other.approvals.isEmpty && other.standing == "pending")
        let rejected = try await refused {
            try await fixture.plans.approve(other.digest, .init(approves: false), by: fixture.bob)
        }
        #expect(rejected?.message.contains("reason") == true)
    }

    @Test func `a gate that closes takes the change out of the queue, an override is recorded`() async throws {
        let soft = GateSpec(name: "green", enforcement: .soft, rule: .quality(.init()))
        let fixture = try await PromotionFixture(prod: .init(gates: [soft]), soak: 60)
        let digest = try await fixture.push(try fixture.pack("mart", "1.0.0", PromotionFixture.tables))
        _ = try await fixture.deployments.deploy(.init(bundle: digest), environment: "qa", by: fixture.ann)
        let asked = try await fixture.request("promote", from: "qa", computes: false)
        var view = try await fixture.settle(asked.id, working: false)
        #expect(view.state == "waiting" && view.message.contains("green") && view.message.contains("and 1 more"))
        let hard = try await refused {
            try await fixture.plans.override("soak-qa", of: asked.plan, .init(message: "now"), by: fixture.bob)
        }
        #expect(hard?.code == .forbidden)
        _ = try await fixture.plans.override("green", of: asked.plan, .init(message: "incident 4711"), by: fixture.bob)
        #expect(try await fixture.plane.audited("gate.override").first?.detail["message"] == "incident 4711")
        fixture.plane.time.advance(61)
        view = try await fixture.settle(asked.id, working: false)
        #expect(view.state == "succeeded", "\(view.message)")
        let verdicts = try (view.verdicts ?? []).map { try $0.decoded(as: GateVerdict.self) }
        #expect(verdicts.first { $0.gate == "green" }?.override?.by == "bob")
    }

    @Test func `what the gates said is signed and attached to the bundle`() async throws {
        let fixture = try await PromotionFixture(prod: .init(gates: [GateSpec(name: "green", rule: .quality(.init()))]))
        let digest = try await fixture.release("1.0.0")
        let done = try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        #expect(done.state == "succeeded", "\(done.message)")
        let found = try await fixture.evidence.evidence(of: digest, predicateType: "https://slsa.dev/verification_summary/v1")
        #expect(found.count == 1)
        let statement = try #require(found.first).statement
        #expect(statement.predicate?["policy"]?["uri"]?.string == "flowforge:plan/\(done.plan)")
        #expect(statement.predicate?["verificationResult"] == "PASSED")
        #expect(statement.predicate?["flowforge"]?["gates"]?.array?.first?["state"] == "passed")
    }

    @Test func `a data gate asks an agent, and decides by its answer`() async throws {
        let gate = GateSpec(name: "alike", rule: .dataDiff(.init(maxRowChange: 1)))
        let fixture = try await PromotionFixture(prod: .init(gates: [gate]))
        try await fixture.release("1.0.0")
        let first = try await fixture.settle(try await fixture.request("promote", from: "qa").id)
        #expect(first.state == "succeeded", "there is nothing to compare with yet: \(first.message)")
        try await fixture.release("1.1.0", ["bronze.raw": "SELECT 9 AS id", "gold.sums": "SELECT id FROM bronze.raw"])
        let asked = try await fixture.request("promote", from: "qa")
        let waiting = try await fixture.settle(asked.id, working: false)
        #expect(waiting.state == "waiting" && waiting.message.contains("not compared yet"))
        let inquiries = try await fixture.plane.store.read { session in
            try session.plans.comparisons(of: asked.plan).values.compactMap { ID<Inquiry>($0) }.compactMap {
                try session.inquiries.find($0)
            }
        }
        #expect(inquiries.count == 2)
        var answers: [ID<Inquiry>: InquiryAnswer] = [:]
        for inquiry in inquiries {
            guard case .compare(let question) = inquiry.question else { throw APIError("test", "not a comparison") }
            #expect(question.left.home == "qa" && question.right.home == "qa", "both lie where they were made")
            let rows: Int64 = question.asset.table == "sums" ? 103 : 100
            answers[inquiry.id] = .compare(CompareAnswer(leftRows: rows, rightRows: 100, columns: []))
        }
        try await fixture.answer(answers)
        let denied = try await fixture.settle(asked.id, working: false)
        #expect(
            denied.state == "refused" && denied.message.contains("gold.sums") && denied.message.contains("3.0 % off"),
            "\(denied.message)")
    }
}
