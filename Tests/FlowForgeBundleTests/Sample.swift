import FlowForgeProtocol
import Foundation

@testable import FlowForgeBundle

/// Bundles and manifests for tests, in memory.
enum Sample {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Two tasks: an ingest and a refinement of it.
    static let manifest = """
        bundle: {name: sample, version: 1.0.0}
        parameters:
          year: {type: integer, default: 2013}
        variables:
          raw_dir: {type: path}
        flows:
          daily:
            tasks:
              ingest:
                layer: bronze
                source:
                  format: csv
                  path: "${variables.raw_dir}/orders*.csv"
                  columns: {id: {type: BIGINT, required: true}, amount: "DECIMAL(18, 2)"}
                output: bronze.orders
                load: append
              orders:
                layer: silver
                sql: sql/orders.sql
                inputs: [bronze.orders]
                output: silver.orders
                load: merge
                keys: [id]
                checks:
                  - not_null: id

        """

    static let sql = "SELECT id, amount FROM bronze.orders WHERE id > getvariable('year')\n"

    static func file(_ path: String, _ text: String, isExecutable: Bool = false) -> BundleFile {
        BundleFile(path: path, isExecutable: isExecutable, contents: Data(text.utf8))
    }

    static func files(_ manifest: String = manifest) -> [BundleFile] {
        [file("flowforge.yaml", manifest), file("sql/orders.sql", sql)]
    }

    /// The sample with `count` more files of `bytes` each, which differ in their first bytes.
    static func files(_ count: Int, of bytes: Int) -> [BundleFile] {
        let more = (0..<count).map { number in
            let name = String(repeating: "0", count: 4 - String(number).count) + String(number)
            return BundleFile(path: "lib/\(name)", contents: Data(name.utf8) + Data(count: bytes - 4))
        }
        return files(manifest("flows:", "include: [lib/]\nflows:")) + more
    }

    /// ``manifest`` with one text in the place of another, which must be there.
    static func manifest(_ old: String, _ new: String) -> String {
        precondition(manifest.contains(old), "the sample has no '\(old)'")
        return manifest.replacing(old, with: new)
    }

    /// What is wrong with the files, one line each; empty for a good bundle.
    static func problems(_ files: [BundleFile]) -> [String] {
        do {
            _ = try BundleBuilder.build(files)
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    static func problems(_ manifest: String) -> [String] { problems(files(manifest)) }

    static func write(_ files: [BundleFile], to folder: URL) throws {
        for file in files {
            let target = folder.appending(path: file.path)
            try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try file.contents.write(to: target)
            try FileManager.default.setAttributes(
                [.posixPermissions: file.isExecutable ? 0o755 : 0o644], ofItemAtPath: target.path)
        }
    }
}

/// A folder that is gone when `body` returns.
func withTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-bundle-\(UUID().uuidString.lowercased())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
