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

    @Test func `columns of external inputs are those of the environment's catalog`() async throws {
        let folder = try folder(sql: "SELECT id, upper(mail) AS mail FROM silver.other")
        defer { try? FileManager.default.removeItem(at: folder) }
        let duckdb = Command.root.appending(path: ".tools/bin/duckdb").path
        try #require(FileManager.default.isExecutableFile(atPath: duckdb), "run `make tools`")
        let asset = OperatorAPI.AssetView(
            environment: "dev", name: try #require(AssetName("silver.other")),
            snapshot: .init(id: .make(at: Samples.now), version: 1, location: "snapshots/x"), rows: 1, bytes: 1,
            publishedAt: Samples.now, run: .make(at: Samples.now), task: "other",
            schema: [ColumnSchema(name: "id", type: "BIGINT"), ColumnSchema(name: "mail", type: "VARCHAR")], statistics: nil,
            checks: nil, history: nil)
        try await ScriptedServer.with({ request in
            switch request.path.split(separator: "?")[0] {
            case "/api/v1/environments/dev":
                return .ok(
                    OperatorAPI.EnvironmentView(
                        name: "dev", pool: "local", variables: [:], createdAt: Samples.now, releases: [], serial: 1, tier: "dev"))
            case "/api/v1/assets/silver.other": return .ok(asset)
            default: return .notFound
            }
        }) { server in
            try await Command.with(server) { command in
                // Nobody knows them yet: nothing is said of what is made of them.
                let alone = try await command.run("bundle", "lock", folder.path, "--duckdb", duckdb)
                #expect(alone.status == 0 && alone.errors.contains("name an environment with --env"), "\(alone)")
                #expect(alone.errors.contains("the columns of silver.u are not known: those of silver.other are not"), "\(alone)")
                let misspelt = try await command.run("bundle", "lock", folder.path, "--duckdb", duckdb, "--env", "dve")
                #expect(misspelt.status == 3, "\(misspelt)")
                let told = try await command.run("bundle", "lock", folder.path, "--duckdb", duckdb, "--env", "dev")
                #expect(told.status == 0 && told.output.contains("silver.other, silver.u"), "\(told)")
                let lock = try BundleLock(reading: Data(contentsOf: folder.appending(path: BundleLock.fileName)))
                let u = try #require(lock.assets.last)
                #expect(u.columns.map { "\($0.name) \($0.type)" } == ["id BIGINT", "mail VARCHAR"])
                #expect(u.lineage.map(\.subtype) == [.identity, .transformation])
                // And they stay known where there is no control plane.
                let again = try await command.run("bundle", "lock", folder.path, "--duckdb", duckdb, "--check")
                #expect(again.status == 0, "\(again)")
            }
        }
    }
}
