import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Subprocess
import SystemPackage

/// The DuckDB program as `flowforge bundle lock` asks it: one process a script, in a folder of its own.
struct DuckDBProgram: SchemaEngine {
    let program: URL
    let folder: URL

    /// A script binds queries to empty tables: what takes longer hangs.
    static let patience: Duration = .seconds(300)
    private static let largestAnswer = 256 << 20

    /// Looks for the program at `path`, in `FLOWFORGE_DUCKDB` and in `PATH`. Its folder is gone afterwards.
    static func withOne<Result>(at path: String?, _ body: (DuckDBProgram) async throws -> Result) async throws -> Result {
        let program = try find(path, ProcessInfo.processInfo.environment)
        let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-lock-\(UUID().uuidString.lowercased())")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let engine = DuckDBProgram(program: program, folder: folder)
        try await engine.checkVersion()
        return try await body(engine)
    }

    static func find(_ path: String?, _ environment: [String: String]) throws(CommandError) -> URL {
        let hint = "install DuckDB \(PinnedEngine.version) (`pip install duckdb-cli==\(PinnedEngine.version)`), and name it "
        let named = path ?? environment["FLOWFORGE_DUCKDB"].flatMap { $0.isEmpty ? nil : $0 }
        if let named {
            guard FileManager.default.isExecutableFile(atPath: named), !PackedFolder.isFolder(named) else {
                throw CommandError(
                    .failed, "engine_missing", "there is no program '\(named)' that can be run",
                    hint: hint + "with --duckdb or FLOWFORGE_DUCKDB")
            }
            return URL(filePath: named)
        }
        for part in environment["PATH", default: ""].split(separator: ":") where part.hasPrefix("/") {
            let url = URL(filePath: String(part)).appending(path: "duckdb")
            if FileManager.default.isExecutableFile(atPath: url.path), !PackedFolder.isFolder(url.path) { return url }
        }
        throw CommandError(
            .failed, "engine_missing", "there is no `duckdb` in PATH, which is asked about the bundle's SQL",
            hint: hint + "with --duckdb, FLOWFORGE_DUCKDB or PATH")
    }

    /// Another version may know other functions and give other types than the agents'.
    private func checkVersion() async throws {
        let (rows, _) = try await run(arguments: ["-version"], "")
        // e.g. `v1.5.5 (Variegata) 08e34c447b`
        let text = String(decoding: rows, as: UTF8.self)
        let version = text.split(separator: " ").first.map { String($0.trimmingPrefix("v")) } ?? ""
        guard version == PinnedEngine.version else {
            throw CommandError(
                .failed, "engine_version",
                "\(program.path) is \(version.isEmpty ? "no DuckDB" : "DuckDB \(version)"), and agents run \(PinnedEngine.version)",
                hint: "install that version (`pip install duckdb-cli==\(PinnedEngine.version)`), and name it with --duckdb")
        }
    }

    func run(_ script: String) async throws -> (rows: Data, errors: String) {
        try await run(arguments: ["-jsonlines", "-batch", "-no-init"], script)
    }

    private func run(arguments: [String], _ input: String) async throws -> (rows: Data, errors: String) {
        let failure = CommandError(
            .failed, "engine_failed", "\(program.path) did not answer within \(Self.patience.components.seconds) s",
            hint: "look what SQL of the bundle takes so long to bind")
        let home = folder.path(percentEncoded: false)
        return try await withThrowingTaskGroup(of: (rows: Data, errors: String).self) { group in
            group.addTask {
                let ended = try await Subprocess.run(
                    .path(FilePath(program.path(percentEncoded: false))), arguments: Arguments(arguments),
                    environment: .custom(["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": home]),
                    workingDirectory: FilePath(home), input: .string(input), output: .data(limit: Self.largestAnswer),
                    error: .string(limit: 16 << 20))
                return (ended.standardOutput, ended.standardError)
            }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                throw failure
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw failure }
            return answer
        }
    }
}
