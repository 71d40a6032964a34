import FlowForgeProtocol
import Foundation
import Subprocess
import SystemPackage

/// Looks whether the programs that engines need are there and of the right version.
struct EngineProbe: Sendable {
    let host: EngineHost

    func checkLauncher() throws(TaskError) {
        try checkExecutable(
            host.launcher, what: "flowforge-launch", hint: "it is installed beside flowforge-agent; install it again")
    }

    /// The version of DuckDB, which must be the one that bundles are written for.
    func duckdbVersion() async throws(TaskError) -> String {
        try checkLauncher()
        try checkExecutable(
            host.duckdb, what: "the DuckDB program", hint: "run `make tools`, or set engines.duckdb in the configuration")
        let path = host.duckdb.path(percentEncoded: false)
        let text: String
        do {
            let ended = try await Subprocess.run(
                .path(FilePath(path)), arguments: ["-version"], environment: .custom(["PATH": "/usr/bin:/bin"]),
                output: .string(limit: 4096), error: .discarded)
            text = ended.standardOutput
        } catch {
            throw TaskError(code: "engine_missing", message: "\(path) cannot be run: \(error)", hint: "run `make tools`")
        }
        // e.g. `v1.5.5 (Variegata) 08e34c447b`
        let version = text.split(separator: " ").first.map { String($0.trimmingPrefix("v")) } ?? ""
        guard version == DuckDBEngine.version else {
            throw TaskError(
                code: "engine_version",
                message:
                    "\(path) is DuckDB \(version.isEmpty ? "of unknown version" : version), needed is \(DuckDBEngine.version)",
                hint: "run `make tools`")
        }
        return version
    }

    private func checkExecutable(_ url: URL, what: String, hint: String) throws(TaskError) {
        let path = url.path(percentEncoded: false)
        guard !FileManager.default.isExecutableFile(atPath: path) else { return }
        let there = FileManager.default.fileExists(atPath: path)
        throw TaskError(
            code: "engine_missing", message: "\(what) \(there ? "at \(path) is not executable" : "is not at \(path)")", hint: hint
        )
    }
}
