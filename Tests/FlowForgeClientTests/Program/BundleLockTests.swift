import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import NIOHTTP1
import Testing

/// `flowforge bundle lock` where DuckDB is not needed, or is not what it should be.
@Suite struct BundleLockTests {
    private func folder(sql: String? = nil) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-lock-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let task = """
                  u: {layer: silver, sql: u.sql, inputs: [silver.other], output: silver.u}
            """
        let manifest = """
            bundle: {name: small, version: 1.0.0}
            variables: {raw_dir: {type: path}}
            \(sql == nil ? "" : "external: [silver.other]")
            flows:
              main:
                tasks:
                  t:
                    layer: bronze
                    source: {format: csv, path: "${variables.raw_dir}/t.csv", columns: {n: INTEGER}}
                    output: bronze.t
            \(sql == nil ? "" : task)

            """
        try Data(manifest.utf8).write(to: folder.appending(path: "flowforge.yaml"))
        if let sql { try Data(sql.utf8).write(to: folder.appending(path: "u.sql")) }
        return folder
    }

    @Test func `a lock is written, found to be right, and found stale`() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: BundleLock.fileName)
        try await Command.with { command in
            let note = try await command.run("bundle", "validate", folder.path)
            #expect(note.status == 0 && note.errors.contains("has no flowforge.lock"), "\(note)")
            let none = try await command.run("bundle", "lock", folder.path, "--check")
            #expect(none.status == 1 && !FileManager.default.fileExists(atPath: file.path), "\(none)")
            let written = try await command.run("bundle", "lock", folder.path, "--json")
            #expect(written.status == 0 && written.output.contains(#""changed":["bronze.t"]"#), "\(written)")
            #expect(try await command.run("bundle", "lock", folder.path, "--check").status == 0)
            // An edit by hand, which no digest of what it is made from would tell.
            let text = try String(contentsOf: file, encoding: .utf8)
            try text.replacing("\"n\",\"type\":\"INTEGER\"", with: "\"n\",\"type\":\"BIGINT\"").write(
                to: file, atomically: true, encoding: .utf8)
            let edited = try await command.run("bundle", "lock", folder.path, "--check")
            #expect(edited.status == 1 && edited.output.contains("is stale: bronze.t"), "\(edited)")
            let build = try await command.run("bundle", "build", folder.path, "-o", folder.appending(path: "out").path)
            #expect(build.status == 1 && build.errors.contains("flowforge.lock: error: is stale"), "\(build)")
            #expect(build.errors.contains("run `flowforge bundle lock`"), "\(build)")
        }
    }

    @Test func `a DuckDB that is not there, or another one, is told with what to do`() async throws {
        let folder = try folder(sql: "SELECT 1 AS n")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await Command.with { command in
            let missing = try await command.run("bundle", "lock", folder.path, "--duckdb", "/no/such/program")
            #expect(missing.status == 1 && missing.errors.contains("there is no program '/no/such/program'"), "\(missing)")
            #expect(missing.errors.contains("--duckdb or FLOWFORGE_DUCKDB"), "\(missing)")
            let other = try await command.run("bundle", "lock", folder.path, "--duckdb", "/bin/true")
            #expect(other.status == 1 && other.errors.contains("/bin/true is no DuckDB"), "\(other)")
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: BundleLock.fileName).path))
        }
    }
}
