import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeReleases

/// Tables that have other columns than the lock of their bundle says.
@Suite(.timeLimit(.minutes(2))) struct SchemaDriftTests {
    /// Runs the flow in `qa`, whose tables get these columns.
    private func run(_ fixture: PromotionFixture, columns: [String]) async throws -> [OperatorAPI.DriftFindingView] {
        try await fixture.plane.start(bundle: "mart", flow: "build", environment: "qa")
        try await fixture.work(columns: columns)
        return try await fixture.drifts.look("qa").findings
    }

    @Test func `columns that the bundle does not say are found, and a run puts them right`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", lock: PromotionFixture.lock)
        #expect(try await fixture.drifts.look("qa").findings.isEmpty)
        let found = try await run(fixture, columns: ["id", "extra"])
        #expect(found.map(\.key) == ["schema:bronze.raw", "schema:gold.sums"])
        let sums = try #require(found.last)
        #expect(sums.kind == "schema" && sums.bundle == "mart" && sums.message.contains("+extra"), "\(sums.message)")
        let (expected, columns): (JSONValue, JSONValue) = (["id BIGINT"], ["id BIGINT", "extra BIGINT"])
        #expect(sums.expected == expected && sums.found == columns)

        let adopted = try await refused { try await fixture.drifts.adopt("schema:gold.sums", of: "qa", by: fixture.bob) }
        #expect(adopted?.code == .conflict && adopted?.hint?.contains("drift revert") == true)
        _ = try await fixture.drifts.revert("schema:gold.sums", of: "qa", by: fixture.bob)
        try await fixture.work()
        #expect(try await fixture.drifts.look("qa").findings.isEmpty)
    }

    @Test func `a column that is gone or of another type is told by its name`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release(
            "1.0.0", lock: BundleLock("bronze.raw(id BIGINT)", "gold.sums(id INTEGER) id<bronze.raw.id"))
        let typed = try await fixture.drifts.look("qa").findings
        #expect(typed.map(\.key) == ["schema:gold.sums"])
        #expect(typed.first?.message.contains("id: INTEGER → BIGINT") == true)
        let gone = try await run(fixture, columns: ["other"])
        #expect(gone.map(\.key) == ["schema:bronze.raw", "schema:gold.sums"])
        #expect(gone.first?.message.contains("-id, +other") == true)
        // Upper and lower case are one, as in SQL.
        #expect(try await run(fixture, columns: ["ID"]).map(\.key) == ["schema:gold.sums"])
    }

    @Test func `tables are held to the lock of the bundle that made them, where it has one`() async throws {
        let fixture = try await PromotionFixture()
        try await fixture.release("1.0.0", lock: PromotionFixture.lock)
        let other = BundleLock("bronze.raw(id BIGINT)", "gold.sums(sum BIGINT) sum<bronze.raw.id")
        let next = try await fixture.push(try fixture.pack("mart", "1.1.0", PromotionFixture.tables, lock: other))
        _ = try await fixture.deployments.deploy(.init(bundle: next), environment: "qa", by: fixture.ann)
        #expect(try await fixture.drifts.look("qa").findings.isEmpty, "it has not made them yet")
        #expect(try await run(fixture, columns: ["id"]).map(\.key) == ["schema:gold.sums"])

        let bare = try await fixture.push(try fixture.pack("mart", "1.2.0", PromotionFixture.tables))
        _ = try await fixture.deployments.deploy(.init(bundle: bare), environment: "qa", by: fixture.ann)
        #expect(try await run(fixture, columns: ["whatever"]).isEmpty, "without a lock nothing is said of columns")
    }

    @Test func `a table that is not made anew each time keeps columns that it has besides`() {
        let wanted = [LockedColumn(name: "id", type: "BIGINT"), LockedColumn(name: "Name", type: "VARCHAR")]
        func differences(_ found: [(String, String)], keepsOthers: Bool) -> [String] {
            DriftLook.differences(
                wanted, found.map { ColumnSchema(name: $0.0, type: $0.1) }, keepsOthers: keepsOthers)
        }
        let more = [("old", "DATE"), ("name", "VARCHAR"), ("ID", "BIGINT")]
        #expect(differences(more, keepsOthers: true).isEmpty)
        #expect(differences(more, keepsOthers: false) == ["+old"])
        #expect(differences([("id", "HUGEINT")], keepsOthers: true) == ["id: BIGINT → HUGEINT", "-Name"])
        #expect(differences([], keepsOthers: false) == ["-id", "-Name"])
    }
}
