import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeOrchestration
@testable import FlowForgeReleases

@Suite(.timeLimit(.minutes(2))) struct DriftTests {
    private let nightly = "    triggers:\n      nightly: {schedule: {cron: \"0 2 * * *\"}}\n"

    private func pause(in fixture: PromotionFixture) async throws {
        let trigger = try #require(
            try await fixture.plane.store.read { try $0.triggers.list(environment: "qa", bundle: "mart").first })
        _ = try await Triggers(store: fixture.plane.store, wakeUps: fixture.plane.wakeUps).pause(
            trigger.id, by: .principal("eve"))
    }

    /// Agents say that the lake is as it should be, and bundles say what columns their tables have: neither is a
    /// finding, whatever is released and run.
    @Test func `an untouched environment shows none over a hundred applies and runs`() async throws {
        let fixture = try await PromotionFixture()
        for number in 0..<100 {
            let spec = EnvironmentSpec(
                name: "qa", tier: "qa", upstream: [.init(environment: "dev")], pool: ControlPlane.pool, mode: .physical)
            try await fixture.apply(spec)
            if number % 10 == 0 {
                try await fixture.release(
                    "1.\(number).0", ["bronze.raw": "SELECT \(number) AS id", "gold.sums": "SELECT id FROM bronze.raw"],
                    extra: nightly, lock: PromotionFixture.lock)
                try await fixture.settle(try await fixture.request("promote", from: "qa").id)
            } else {
                try await fixture.plane.start(bundle: "mart", flow: "build", environment: number % 2 == 0 ? "qa" : "prod")
            }
            try await fixture.work()
            let asked = try await look(in: fixture)
            for name in ["qa", "prod"] {
                let current = try await pointers(of: name, in: fixture)
                #expect(current.count == 2 && asked[name] == current, "after \(number) \(name) is looked at as it is")
                let found = try await fixture.drifts.look(name).findings
                #expect(found.isEmpty, "after \(number): \(found.map(\.key))")
            }
        }
        // The same looks find what is not so.
        _ = try await fixture.inspect()
        for name in ["qa", "prod"] { _ = try await fixture.drifts.look(name) }
        _ = try await fixture.inspect(.filesChanged)
        for name in ["qa", "prod"] {
            let found = try await fixture.drifts.look(name).findings
            #expect(found.map(\.key) == ["files:bronze.raw", "files:gold.sums"], "\(name)")
        }
    }

    /// Until agents have said of both environments' tables as they are now that all is well. Returns what they were asked.
    private func look(in fixture: PromotionFixture) async throws -> [String: [InspectQuestion.Expected]] {
        var asked: [String: [InspectQuestion.Expected]] = [:]
        // The first look may have to do with the question of an earlier one, which was about other snapshots.
        for _ in 0..<2 {
            for name in ["qa", "prod"] { _ = try await fixture.drifts.look(name) }
            asked = try await fixture.inspect()
        }
        return asked
    }

    private func pointers(of environment: String, in fixture: PromotionFixture) async throws -> [InspectQuestion.Expected] {
        try await fixture.plane.store.read { session in
            try ["bronze.raw", "gold.sums"].compactMap { name -> InspectQuestion.Expected? in
                let asset = try #require(AssetName(name))
                return try session.publications.current(environment: environment, asset: asset).map {
                    InspectQuestion.Expected(asset: asset, snapshot: $0)
                }
            }
        }
    }

    @Test func `a value, a schedule and a table that are not as they were applied are found and put right`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", extra: nightly)
        _ = try await fixture.environments.override("size", of: "qa", with: .init(value: 7, reason: "load"), by: fixture.ann)
        try await pause(in: fixture)
        try await fixture.plane.store.write { session in
            try session.assets.withdraw(try #require(AssetName("gold.sums")), environment: "qa")
        }
        var view = try await fixture.drifts.look("qa")
        #expect(view.findings.map(\.key) == ["asset:gold.sums", "configuration:variable.size", "schedule:build.nightly"])
        let since = view.findings.map(\.since)
        fixture.plane.time.advance(600)
        #expect(try await fixture.drifts.look("qa").findings.map(\.since) == since)

        view = try await fixture.drifts.revert("configuration:variable.size", of: "qa", by: fixture.bob)
        view = try await fixture.drifts.revert("schedule:build.nightly", of: "qa", by: fixture.bob)
        view = try await fixture.drifts.revert("asset:gold.sums", of: "qa", by: fixture.bob)
        try await fixture.work()
        #expect(view.findings.isEmpty)
        #expect(try await fixture.drifts.look("qa").findings.isEmpty)
        #expect(try await fixture.plane.audited("drift.revert").count == 3)
    }

    @Test func `a pool that tasks ask for is part of what was applied`() async throws {
        let fixture = try await PromotionFixture()
        func spec(_ pools: [String: String]) -> EnvironmentSpec {
            EnvironmentSpec(name: "qa", tier: "qa", upstream: [.init(environment: "dev")], pool: ControlPlane.pool, pools: pools)
        }
        try await fixture.apply(spec(["large": ControlPlane.pool, "unused": "a"]))
        try await fixture.release("1.0.0", extra: "    pool: large\n")
        try await fixture.apply(spec(["large": "elsewhere", "unused": "b"]))
        let found = try await fixture.drifts.look("qa").findings
        #expect(found.map(\.key) == ["configuration:pool.large"])
        // What was released goes on as it was until then.
        let run = try await fixture.plane.start(bundle: "mart", flow: "build", environment: "qa")
        #expect(run.tasks?.allSatisfy { $0.pool == ControlPlane.pool } == true)
        try await fixture.work()

        let left = try await fixture.drifts.revert("configuration:pool.large", of: "qa", by: fixture.bob).findings
        let pools = try await fixture.plane.store.read { try $0.environments.find("qa")?.spec.pools }
        #expect(left.isEmpty && pools == ["large": ControlPlane.pool, "unused": "b"])
    }

    @Test func `a suppression has an owner and ends, and a plan does not count it`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", extra: nightly)
        try await pause(in: fixture)
        _ = try await fixture.drifts.look("qa")
        let key = "schedule:build.nightly"
        #expect(try await fixture.plans.make(.init(), environment: "qa", by: fixture.ann).plan.hasDrift)
        let far = try await refused {
            try await fixture.drifts.suppress(
                key, of: "qa", .init(until: fixture.plane.time.now + 200 * 86_400, reason: "x"), by: fixture.bob)
        }
        #expect(far?.message.contains("180 days") == true)
        let view = try await fixture.drifts.suppress(
            key, of: "qa", .init(until: fixture.plane.time.now + 3600, reason: "the source is migrating"), by: fixture.bob)
        #expect(view.findings.first?.suppression?.owner == "bob")
        let quiet = try await fixture.plans.make(.init(), environment: "qa", by: fixture.ann).plan
        #expect(quiet.isEmpty && !quiet.hasDrift)
        fixture.plane.time.advance(3601)
        #expect(try await fixture.drifts.show("qa").findings.first?.suppression == nil)
        let unknown = try await refused { try await fixture.drifts.adopt("schedule:build.nightl", of: "qa", by: fixture.bob) }
        #expect(unknown?.code == .notFound && unknown?.hint?.contains("build.nightly") == true)
    }

    @Test func `what agents find in the lake is told, and a pointer that was moved is written again above it`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0")
        _ = try await fixture.drifts.look("qa")
        let sums = try #require(AssetName("gold.sums"))
        let inquiry = try await fixture.plane.store.read { session in
            try session.drift.look(environment: "qa")?.inquiry.flatMap { ID<Inquiry>($0) }.flatMap {
                try session.inquiries.find($0)
            }
        }
        let asked = try #require(inquiry)
        guard case .inspect(let question) = asked.question else { throw APIError("test", "not an inspection") }
        #expect(question.assets.count == 2)
        let stray = ID<Snapshot>.make()
        let answer = InspectAnswer(
            results: question.assets.map { expected in
                InspectResult(
                    asset: expected.asset, state: expected.asset == sums ? .pointerMoved : .filesChanged,
                    found: expected.asset == sums ? .init(snapshot: stray, version: 40) : nil, changedFiles: 2,
                    files: ["part-0.parquet"])
            })
        try await fixture.answer([asked.id: .inspect(answer)])
        let view = try await fixture.drifts.look("qa")
        #expect(view.findings.map(\.key) == ["files:bronze.raw", "snapshot:gold.sums"])
        let unknown = try await refused { try await fixture.drifts.adopt("snapshot:gold.sums", of: "qa", by: fixture.bob) }
        #expect(unknown?.message.contains("no known snapshot") == true)
        _ = try await fixture.drifts.revert("snapshot:gold.sums", of: "qa", by: fixture.bob)
        let current = try await fixture.plane.store.read { try $0.publications.current(environment: "qa", asset: sums) }
        #expect(current?.version == 41 && current?.id == question.assets.first { $0.asset == sums }?.snapshot.id)
    }
}
