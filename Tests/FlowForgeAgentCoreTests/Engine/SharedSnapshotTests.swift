import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Two environments of one lake that point at one snapshot.
@Suite(.timeLimit(.minutes(2))) struct SharedSnapshotTests {
    private func pointer(_ bench: EngineBench, _ asset: String, in environment: String) throws -> LakePublisher.Pointer {
        let folder = bench.lake.asset(AssetName(asset)!, environment: environment)
        return try WireCoding.decode(LakePublisher.Pointer.self, from: Data(contentsOf: folder.appending(path: "current.json")))
    }

    private func link(_ bench: EngineBench, _ asset: String, in environment: String) throws -> String {
        let folder = bench.lake.asset(AssetName(asset)!, environment: environment)
        return try FileManager.default.destinationOfSymbolicLink(atPath: folder.path(percentEncoded: false) + "/current")
    }

    /// The names and bytes of everything below the asset's folder.
    private func tree(_ bench: EngineBench, _ asset: String, in environment: String) throws -> [String: Data] {
        let folder = bench.lake.asset(AssetName(asset)!, environment: environment).path(percentEncoded: false)
        var all: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
            all[name] = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
        }
        return all
    }

    private func prices(_ bench: EngineBench, _ rows: String) throws -> TaskSpec {
        try bench.select(
            "SELECT * FROM (VALUES \(rows)) AS t(id, price)", into: "gold.prices",
            load: LoadSpec(mode: .merge, keys: ["id"]), checks: [CheckSpec(name: "id", rule: .notNull(column: "id"))])
    }

    @Test func `prod reads and merges into what qa has made, and qa's stays as it is`() async throws {
        let bench = try EngineBench()
        #expect(try await bench.run(prices(bench, "(1, 10), (2, 20)"), environment: "qa").finished.outcome == .succeeded)
        let before = try tree(bench, "gold.prices", in: "qa")

        // A promotion: prod has never written the table itself.
        let made = try bench.current("gold.prices", in: "qa")
        let promoted = try bench.point("gold.prices", in: "prod", at: made.moved(from: "qa", to: "prod"))
        #expect(promoted.home == "qa")
        let query = "SELECT id, price FROM t ORDER BY id"
        #expect(
            try await bench.read("gold.prices", query, in: "prod") == [#"{"id":1,"price":10}"#, #"{"id":2,"price":20}"#])
        #expect(try link(bench, "gold.prices", in: "prod") == "../../../qa/gold/prices/snapshots/\(made.id)")
        let pointed = try pointer(bench, "gold.prices", in: "prod")
        #expect(
            pointed.location == "../../../qa/gold/prices/snapshots/\(made.id)" && pointed.home == "qa" && pointed.version == 1)

        // It is read by a task downstream, SQL and command.
        let sum = try bench.select(
            "SELECT CAST(sum(price) AS INTEGER) AS total FROM gold.prices", into: "gold.total", inputs: ["gold.prices"])
        #expect(try await bench.run(sum, environment: "prod").finished.outcome == .succeeded)
        #expect(try await bench.read("gold.total", in: "prod") == [#"{"total":30}"#])
        let show = try bench.write("#!/bin/sh\nls $FLOWFORGE_INPUT_GOLD_PRICES\n", to: "bin/show")
        chmod(show.path(percentEncoded: false), 0o755)
        let command = TaskSpec(
            name: "show", layer: .gold, engine: "command", command: ["bin/show"], inputs: [AssetName("gold.prices")!], output: nil
        )
        #expect(try await bench.run(command, environment: "prod").report.log.contains("_snapshot.json"))

        // It is the base of a merge, whose outcome is prod's own.
        let merged = try await bench.run(prices(bench, "(2, 21), (3, 30)"), environment: "prod")
        #expect(merged.finished.outcome == .succeeded)
        #expect(
            try await bench.read("gold.prices", query, in: "prod") == [
                #"{"id":1,"price":10}"#, #"{"id":2,"price":21}"#, #"{"id":3,"price":30}"#,
            ])
        let own = try bench.current("gold.prices", in: "prod")
        #expect(own.home == nil && own.version == 2)
        #expect(try link(bench, "gold.prices", in: "prod") == "snapshots/\(own.id)")
        #expect(try pointer(bench, "gold.prices", in: "prod").home == nil)
        #expect(try tree(bench, "gold.prices", in: "qa") == before)

        // Back to the earlier snapshot: its id is older, the version is greater.
        let back = try bench.point("gold.prices", in: "prod", at: promoted)
        #expect(back.version == 3 && back.id < own.id)
        #expect(try await bench.read("gold.prices", query, in: "prod").count == 2)
        #expect(try pointer(bench, "gold.prices", in: "prod").version == 3)
        // An agent that comes late with the merge's publication changes nothing.
        try LakePublisher.publish(
            .init(environment: "prod", asset: AssetName("gold.prices")!, snapshot: own), lake: bench.lake)
        #expect(try pointer(bench, "gold.prices", in: "prod").version == 3)
        #expect(try tree(bench, "gold.prices", in: "qa") == before)
    }

    @Test(arguments: [LoadMode.append, .scd2, .partitionOverwrite])
    func `every load that builds on rows can build on another environment's`(mode: LoadMode) async throws {
        let bench = try EngineBench()
        let load = LoadSpec(
            mode: mode, keys: mode == .scd2 ? ["id"] : [], partitionBy: mode == .partitionOverwrite ? ["day"] : [])
        func task(_ rows: String) throws -> TaskSpec {
            try bench.select("SELECT * FROM (VALUES \(rows)) AS t(id, day)", into: "silver.t", load: load)
        }
        #expect(try await bench.run(task("(1, 'a'), (2, 'b')"), environment: "qa").finished.outcome == .succeeded)
        let before = try tree(bench, "silver.t", in: "qa")
        try bench.point("silver.t", in: "prod", at: bench.current("silver.t", in: "qa").moved(from: "qa", to: "prod"))
        #expect(try await bench.run(task("(3, 'b')"), environment: "prod").finished.outcome == .succeeded)
        let ids = try await bench.read("silver.t", "SELECT id FROM t ORDER BY id", in: "prod")
        #expect(ids == (mode == .partitionOverwrite ? [1, 3] : [1, 2, 3]).map { #"{"id":\#($0)}"# })
        #expect(try tree(bench, "silver.t", in: "qa") == before)
    }

    @Test func `an ingest goes on where another environment's ended`() async throws {
        let bench = try EngineBench()
        let columns = [SourceColumn(name: "id", type: "BIGINT")]
        let task = try bench.ingest("*.csv", into: "bronze.t", columns: columns)
        try bench.write("id\n1\n", to: "a.csv", in: bench.raw)
        #expect(try await bench.run(task, environment: "qa").finished.outcome == .succeeded)
        try bench.point("bronze.t", in: "prod", at: bench.current("bronze.t", in: "qa").moved(from: "qa", to: "prod"))
        try bench.write("id\n2\n", to: "b.csv", in: bench.raw)
        let run = try await bench.run(task, environment: "prod")
        #expect(run.finished.outcome == .succeeded && run.finished.metrics.rowsWritten == 1, "the first file is not read again")
        #expect(try await bench.read("bronze.t", "SELECT id FROM t ORDER BY id", in: "prod").count == 2)
    }

    @Test(arguments: ["..", "../qa", "", "/etc", "QA", "qa/x", "qa\u{0}", String(repeating: "a", count: 64)])
    func `a home that is no plain name is refused wherever it comes from`(home: String) throws {
        let bench = try EngineBench()
        let asset = try #require(AssetName("gold.t"))
        let reference = SnapshotReference(id: .make(), version: 1, location: "snapshots/x", home: home)
        #expect(throws: TaskError.self) { try bench.lake.snapshot(reference, of: asset, environment: "prod") }
        #expect(throws: TaskError.self) {
            try LakePublisher.publish(.init(environment: "prod", asset: asset, snapshot: reference), lake: bench.lake)
        }
        let bytes = try WireCoding.encode(reference)
        #expect(throws: DecodingError.self) { try WireCoding.decode(SnapshotReference.self, from: bytes) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.lake.root.path(percentEncoded: false)) == [])
    }

    @Test(arguments: ["../x", "snapshots/../../x", "/x", "", ".", "snapshots//x", "a\u{0}"])
    func `a location that leads elsewhere is refused`(location: String) throws {
        let lake = try EngineBench().lake
        let reference = SnapshotReference(id: .make(), version: 1, location: location)
        #expect(throws: TaskError.self) { try lake.snapshot(reference, of: AssetName("gold.t")!, environment: "prod") }
    }

    @Test func `an environment's folder behind a link is not pointed through`() throws {
        let bench = try EngineBench()
        let asset = try #require(AssetName("gold.t"))
        let reference = SnapshotReference(id: .make(), version: 1, location: "snapshots/x", home: "qa")
        try FileManager.default.createDirectory(
            at: bench.lake.snapshot(reference, of: asset, environment: "prod"), withIntermediateDirectories: true)
        let elsewhere = bench.folder.appending(path: "a/b/c/prod")
        try FileManager.default.createDirectory(at: elsewhere, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(at: bench.lake.root.appending(path: "prod"), withDestinationURL: elsewhere)
        #expect(throws: TaskError.self) {
            try LakePublisher.publish(.init(environment: "prod", asset: asset, snapshot: reference), lake: bench.lake)
        }
    }
}
