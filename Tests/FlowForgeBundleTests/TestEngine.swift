import FlowForgeProtocol
import Foundation
import Subprocess

@testable import FlowForgeBundle

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// The pinned DuckDB of `.tools`.
struct TestEngine: SchemaEngine {
    let program: String
    let folder: URL

    func run(_ script: String) async throws -> (rows: Data, errors: String) {
        let ended = try await Subprocess.run(
            .path(FilePath(program)), arguments: ["-jsonlines", "-batch", "-no-init"], input: .string(script),
            output: .data(limit: 64 << 20), error: .string(limit: 1 << 20))
        return (ended.standardOutput, ended.standardError)
    }

    /// The lock of a bundle of these files, as `flowforge bundle lock` writes it.
    static func draft(
        _ files: [BundleFile], catalog: [AssetName: [ColumnSchema]] = [:]
    ) async throws -> LockWriter.Draft {
        let program = try tool("bin/duckdb")
        return try await withTemporaryFolder { folder in
            let bundle = folder.appending(path: "bundle")
            try Sample.write(files, to: bundle)
            let engine = TestEngine(program: program, folder: folder)
            return try await LockWriter(BundleFolder(bundle), catalog: catalog).draft(asking: engine)
        }
    }

    /// The files with their lock.
    static func locked(_ files: [BundleFile]) async throws -> [BundleFile] {
        let lock = try await draft(files).lock
        return files.filter { $0.path != BundleLock.fileName }
            + [BundleFile(path: BundleLock.fileName, isExecutable: false, contents: lock.text)]
    }
}
