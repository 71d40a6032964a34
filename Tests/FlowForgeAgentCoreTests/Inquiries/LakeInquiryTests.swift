import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// What agents say about the lake: real files, real DuckDB.
@Suite(.timeLimit(.minutes(2))) struct LakeInquiryTests {
    private let table = AssetName("gold.t")!

    private func inspect(
        _ bench: EngineBench, _ snapshot: SnapshotReference, in environment: String = "dev"
    ) async throws -> InspectResult {
        let question = InspectQuestion(assets: [.init(asset: table, snapshot: snapshot)])
        let answer = try await LakeInspection(lake: bench.lake, environment: environment).answer(question)
        return try #require(answer.results.first)
    }

    private func written(_ bench: EngineBench, partitioned: Bool = false) async throws -> SnapshotReference {
        let load = partitioned ? LoadSpec(mode: .replace, partitionBy: ["country"]) : LoadSpec()
        let task = try bench.select(
            "SELECT * FROM (VALUES (1, 'planted-country'), (2, 'other')) AS t(id, country)", into: "gold.t", load: load)
        #expect(try await bench.run(task).finished.outcome == .succeeded)
        return try bench.current("gold.t")
    }

    @Test func `an untouched table is as it was published, also in another environment`() async throws {
        let bench = try EngineBench()
        let snapshot = try await written(bench)
        #expect(try await inspect(bench, snapshot) == InspectResult(asset: table, state: .ok, changedFiles: 0))
        let moved = try bench.point("gold.t", in: "prod", at: snapshot.moved(from: "dev", to: "prod"))
        #expect(
            try await inspect(bench, moved, in: "prod") == InspectResult(asset: table, state: .ok, changedFiles: 0))
    }

    @Test func `what is missing, moved or changed is said, by names of files only`() async throws {
        let bench = try EngineBench()
        let first = try await written(bench, partitioned: true)
        let second = try await written(bench, partitioned: true)
        let asset = bench.lake.asset(table, environment: "dev")
        let path = asset.path(percentEncoded: false)

        // Pointers.
        #expect(try await inspect(bench, first).state == .pointerMoved)
        #expect(try await inspect(bench, first).found == .init(snapshot: second.id, version: 2))
        var later = second
        later.version = 7
        #expect(try await inspect(bench, later).found == .init(snapshot: second.id, version: 2))
        try FileManager.default.removeItem(atPath: "\(path)/current")
        try FileManager.default.createSymbolicLink(atPath: "\(path)/current", withDestinationPath: first.location)
        #expect(try await inspect(bench, second).found == .init(snapshot: first.id, version: 2), "readers follow the link")
        try Data("{broken".utf8).write(to: asset.appending(path: "current.json"))
        #expect(try await inspect(bench, second).found == .init(snapshot: first.id))
        try FileManager.default.removeItem(atPath: "\(path)/current.json")
        try FileManager.default.removeItem(atPath: "\(path)/current")
        #expect(
            try await inspect(bench, second) == InspectResult(asset: table, state: .pointerMoved, found: .init(), changedFiles: 0)
        )

        // Files.
        let folder = try bench.lake.snapshot(second, of: table, environment: "dev").path(percentEncoded: false)
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".parquet") }.sorted()
        #expect(files.count == 2 && files.contains { $0.contains("planted-country") })
        var bytes = try Data(contentsOf: URL(filePath: "\(folder)/\(files[0])"))
        bytes[bytes.count / 2] ^= 1
        // As somebody would who opens it: hard links of other snapshots stay.
        try FileManager.default.removeItem(atPath: "\(folder)/\(files[0])")
        try bytes.write(to: URL(filePath: "\(folder)/\(files[0])"))
        #expect(try await inspect(bench, second).changedFiles == 1, "of the same size, and written later")
        try (bytes + Data([0])).write(to: URL(filePath: "\(folder)/\(files[0])"))
        try FileManager.default.removeItem(atPath: "\(folder)/\(files[1])")
        try Data().write(to: URL(filePath: "\(folder)/new.parquet"))
        let changed = try await inspect(bench, second)
        #expect(changed.state == .filesChanged && changed.changedFiles == 3 && changed.files?.contains("new.parquet") == true)
        #expect(!"\(changed)".contains("planted"))
        try FileManager.default.removeItem(atPath: "\(folder)/_snapshot.json")
        #expect(try await inspect(bench, second).state == .unreadableSnapshot)
        try FileManager.default.copyItem(
            atPath: bench.lake.snapshot(first, of: table, environment: "dev").appending(path: "_snapshot.json").path(
                percentEncoded: false),
            toPath: "\(folder)/_snapshot.json")
        #expect(try await inspect(bench, second).state == .unreadableSnapshot, "it is another's record")

        // Folders.
        try FileManager.default.removeItem(atPath: folder)
        #expect(try await inspect(bench, second).state == .missingSnapshot)
        try FileManager.default.removeItem(at: asset)
        #expect(try await inspect(bench, second) == InspectResult(asset: table, state: .missingAsset))
        let outside = SnapshotReference(id: .make(), version: 1, location: "../../../etc")
        #expect(try await inspect(bench, outside).state == .missingAsset, "there is nothing to go on from")
        try FileManager.default.createDirectory(at: asset, withIntermediateDirectories: true)
        let refused = await #expect(throws: TaskError.self) { _ = try await inspect(bench, outside) }
        #expect(refused?.code == "invalid_snapshot")
    }

    @Test func `what is there and cannot be looked at is no finding`() async throws {
        let bench = try EngineBench()
        let snapshot = try await written(bench)
        let asset = bench.lake.asset(table, environment: "dev")
        try FileManager.default.removeItem(at: asset)
        // A link to itself can be looked at by nobody, root neither.
        try FileManager.default.createSymbolicLink(
            atPath: asset.path(percentEncoded: false), withDestinationPath: asset.path(percentEncoded: false))
        let error = await #expect(throws: TaskError.self) { try await inspect(bench, snapshot) }
        #expect(error?.code == "agent_storage" && error?.retryable == true)
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func `a folder that may not be read is no finding, and its name is not told`() async throws {
        let bench = try EngineBench()
        let snapshot = try await written(bench, partitioned: true)
        let folder = try bench.lake.snapshot(snapshot, of: table, environment: "dev")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
        let closed = folder.appending(path: try #require(names.first { $0.contains("planted-country") }))
        let path = closed.path(percentEncoded: false)
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
        let error = await #expect(throws: TaskError.self) { try await inspect(bench, snapshot) }
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        #expect(error?.code == "agent_storage" && error?.message.contains("planted") == false)
    }

    // MARK: Comparing

    private func compare(_ left: String, _ right: String, keys: [String] = []) async throws -> CompareAnswer {
        let bench = try EngineBench()
        for (environment, sql) in [("qa", left), ("prod", right)] {
            let run = try await bench.run(bench.select(sql, into: "gold.t"), environment: environment)
            try #require(run.finished.outcome == .succeeded, "\(run.finished.error as Any)")
        }
        let workspace = bench.folder.appending(path: "compare")
        try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
        let question = CompareQuestion(
            asset: table, left: try bench.current("gold.t", in: "qa").moved(from: "qa", to: "prod"),
            right: try bench.current("gold.t", in: "prod"), keys: keys)
        return try await LakeComparison(lake: bench.lake, environment: "prod", host: EngineBench.host(), workspace: workspace)
            .answer(question)
    }

    private func column(_ name: String, _ answer: CompareAnswer) throws -> ComparedColumn {
        try #require(answer.columns.first { $0.name == name })
    }

    @Test func `a table compared with itself matches wholly`() async throws {
        let sql =
            "SELECT i AS id, CASE WHEN i % 10 = 0 THEN NULL ELSE 'v' || i END AS name, i / 3.0 AS part, [i, NULL] AS list, {'a': i} AS s FROM range(1000) t(i)"
        let answer = try await compare(sql, sql, keys: ["ID"])
        #expect(answer.leftRows == 1000 && answer.rightRows == 1000)
        #expect(
            answer.keys
                == ComparedKeys(both: 1000, onlyLeft: 0, onlyRight: 0, leftDuplicates: 0, rightDuplicates: 0, compared: 1000))
        #expect(answer.keys?.matchPercent == 100)
        #expect(answer.columns.map(\.matchPercent) == [nil, 100, 100, 100, 100])
        #expect(answer.columns.allSatisfy { $0.leftType == $0.rightType })
    }

    @Test func `rows, keys, nulls and values that differ are counted, and nothing of them is told`() async throws {
        let answer = try await compare(
            "SELECT * FROM (VALUES (1, 'planted-a', 1.0, 5), (2, NULL, 2.0, 5), (3, 'planted-c', 3.0, 5), (4, 'd', 4.0, 5)) t(id, name, price, gone)",
            "SELECT * FROM (VALUES (2, NULL, 2.000, 1), (3, 'planted-x', 3.5, 1), (4, 'd', NULL, 1), (5, 'planted-e', 5.0, 1), (6, NULL, 6, 1)) t(id, name, price, fresh)",
            keys: ["id"])
        #expect(answer.leftRows == 4 && answer.rightRows == 5)
        #expect(
            answer.keys == ComparedKeys(both: 3, onlyLeft: 1, onlyRight: 2, leftDuplicates: 0, rightDuplicates: 0, compared: 3))
        let (name, price) = (try column("name", answer), try column("price", answer))
        #expect(abs((name.matchPercent ?? 0) - 200.0 / 3) < 1e-9 && abs((price.matchPercent ?? 0) - 100.0 / 3) < 1e-9)
        #expect(try column("gone", answer).rightType == nil && column("fresh", answer).leftType == nil)
        #expect(try column("gone", answer).matchPercent == nil && column("id", answer).matchPercent == nil)
        let told = String(decoding: try WireCoding.encode(InquiryAnswer.compare(answer)), as: UTF8.self)
        #expect(!told.contains("planted"))
    }

    @Test func `without keys rows are counted`() async throws {
        let answer = try await compare(
            "SELECT i AS id, NULL::INTEGER AS n FROM range(50) t(i)", "SELECT i % 5 AS id, 1 AS n FROM range(40) t(i)")
        #expect(answer.keys == nil && answer.columns.allSatisfy { $0.matchPercent == nil })
        #expect(answer.leftRows == 50 && answer.rightRows == 40 && answer.columns.map(\.name) == ["id", "n"])
    }

    @Test func `duplicates and null keys do not multiply rows, and keys of other types are matched`() async throws {
        let answer = try await compare(
            "SELECT * FROM (VALUES (1, 'a', 1), (1, 'a', 1), (NULL, 'n', 1), (2, 'b', 1), (3, 'c', 1)) t(id, \"odd \"\"name\", x)",
            "SELECT * FROM (VALUES ('1', 'a', 1), (NULL, 'n', 2), ('2', 'b', 1), ('3', 'z', 1), ('3', 'c', 1)) t(id, \"odd \"\"name\", x)",
            keys: ["id"])
        #expect(
            answer.keys == ComparedKeys(both: 4, onlyLeft: 0, onlyRight: 0, leftDuplicates: 1, rightDuplicates: 1, compared: 2))
        #expect(try column("odd \"name", answer).matchPercent == 100 && column("x", answer).matchPercent == 50)
        #expect(try column("id", answer).leftType != column("id", answer).rightType)
    }

    @Test func `keys that a side lacks are not matched, and empty tables are the same`() async throws {
        let missing = try await compare("SELECT 1 AS a", "SELECT 1 AS b", keys: ["a"])
        #expect(missing.keys == nil && missing.columns.count == 2)
        let empty = try await compare("SELECT 1 AS a, 'x' AS b WHERE false", "SELECT 1 AS a, 'x' AS b WHERE false", keys: ["a"])
        #expect(empty.keys?.matchPercent == 100 && empty.columns.last?.matchPercent == 100 && empty.leftRows == 0)
    }

    @Test func `a comparison that is ended leaves no process`() async throws {
        let bench = try EngineBench()
        let sql = "SELECT i AS id, md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b FROM range(3000000) t(i)"
        #expect(try await bench.run(bench.select(sql, into: "gold.t")).finished.outcome == .succeeded)
        let snapshot = try bench.current("gold.t")
        let workspace = bench.folder.appending(path: "compare")
        try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
        let comparison = LakeComparison(lake: bench.lake, environment: "dev", host: try EngineBench.host(), workspace: workspace)
        let work = Task {
            try await comparison.answer(CompareQuestion(asset: table, left: snapshot, right: snapshot, keys: ["a", "b"]))
        }
        try await eventually { FileManager.default.fileExists(atPath: workspace.appending(path: ".compare.stderr").path) }
        work.cancel()
        await #expect(throws: CancellationError.self) { try await work.value }
    }
}
