import Crypto
import FlowForgeBundle
import FlowForgeProtocol
public import Foundation
import Subprocess

/// Virtual environments of locked packages, one for each lock file and interpreter: `<folder>/<key>`.
///
/// An environment is made where it stays (its programs name that place), and counts only once `.complete` is in it, which is
/// written last; what a crash left is made anew. Tasks that want the same one share the making of it. More than ``most`` are
/// kept only while they are in use.
public actor PythonEnvironments {
    private let folder: URL
    private let python: URL
    private let launcher: EngineHost
    /// Where pip finds packages and how it gets there: what of the agent's own environment it is handed.
    private let environment: [String: String]
    private let making = SharedWork<String, URL>()
    private var users: [String: Int] = [:]
    private static let most = 16
    private static let marker = ".complete"
    private static let handed: Set<String> = [
        "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ]

    /// - Parameter environment: the agent's own.
    public init(folder: URL, python: URL, host: EngineHost, environment: [String: String]) throws {
        self.folder = folder
        self.python = python
        launcher = host
        self.environment = environment.filter { Self.handed.contains($0.key) || $0.key.hasPrefix("PIP_") }
        try DiskFile.makeFolder(folder, mode: 0o700)
    }

    /// Runs `body` with the environment that the bundle asks for, made if need be; it is not removed meanwhile.
    ///
    /// - Throws: `TaskError` `python_version`, `python_missing` or `python_environment`, or what `body` throws.
    func with<Value: Sendable>(
        _ spec: PythonSpec, of work: TaskWork, reporting: any TaskReporting, _ body: @Sendable (URL) async throws -> Value
    ) async throws -> Value {
        let lock = work.bundleFolder.appending(path: spec.lock)
        guard let bytes = try? Data(contentsOf: lock) else {
            throw TaskError(code: "invalid_bundle", message: "\(spec.lock) cannot be read in the bundle")
        }
        let interpreter = try await interpreter(work)
        if let wanted = spec.version, PythonVersions(wanted)?.allow(interpreter.version) != true {
            throw TaskError(
                code: "python_version", message: "the bundle needs Python \(wanted); \(python.path) is \(interpreter.version)",
                hint: "name another one as engines.command.python of the agent's configuration")
        }
        let digest = SHA256.hash(data: bytes + Data("\n\(interpreter.identity)".utf8))
        let key = String(digest.hex.prefix(32))
        users[key, default: 0] += 1
        defer { users[key, default: 1] -= 1 }
        let place = folder.appending(path: key)
        let marker = place.appending(path: Self.marker)
        if !FileManager.default.fileExists(atPath: marker.path) {
            // It may take minutes: the lease of an attempt that has not begun would lapse.
            try await reporting.started(pid: ProcessInfo.processInfo.processIdentifier)
            _ = try await making.value(for: key) {
                if FileManager.default.fileExists(atPath: marker.path) { return place }
                try await self.make(place, lock, work)
                return place
            }
            try removeUnused()
        }
        try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: marker.path)
        return try await body(place)
    }

    private struct Interpreter {
        var version: String
        /// Compiled packages are for one of them.
        var identity: String
    }

    private func interpreter(_ work: TaskWork) async throws -> Interpreter {
        let script =
            "import sys, sysconfig; print('.'.join(map(str, sys.version_info[:3])), sysconfig.get_platform(), sys.executable)"
        let (status, text) = try await run(python.path, ["-I", "-c", script], work, named: "python")
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        guard status == .exited(0), words.count >= 3 else {
            throw TaskError(
                code: "python_missing", message: "\(python.path) does not run: \(Self.reduced(text))",
                hint:
                    "install python3 and python3-venv, or name another one as engines.command.python of the agent's configuration"
            )
        }
        return Interpreter(version: words[0], identity: words.joined(separator: " "))
    }

    private nonisolated func make(_ place: URL, _ lock: URL, _ work: TaskWork) async throws {
        if FileManager.default.fileExists(atPath: place.path) { try FileManager.default.removeItem(at: place) }
        func step(_ program: String, _ arguments: [String], _ what: String) async throws {
            let (status, text) = try await run(program, arguments, work, named: what)
            try Task.checkCancellation()
            guard status == .exited(0) else {
                let isOnTheWay = ["connection broken", "timed out", "Temporary failure", "503 Service"].contains {
                    text.contains($0)
                }
                throw TaskError(
                    code: "python_environment", message: "\(what) failed: \(Self.reduced(text))",
                    hint:
                        "packages come from where PIP_INDEX_URL of the agent says; each must be there with a hash of the lock file",
                    retryable: isOnTheWay)
            }
        }
        do {
            try await step(python.path, ["-I", "-m", "venv", place.path], "python -m venv")
            try await step(
                place.appending(path: "bin/python").path,
                [
                    "-I", "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check",
                    "--no-cache-dir", "--quiet", "--requirement", lock.path,
                ], "pip install")
            try DurableFile.create(place.appending(path: Self.marker), contents: Data())
            try DurableFile.syncFolder(place)
        } catch {
            try? FileManager.default.removeItem(at: place)
            throw error
        }
    }

    private nonisolated func run(
        _ program: String, _ arguments: [String], _ work: TaskWork, named: String
    ) async throws -> (TerminationStatus, String) {
        let workspace = work.workspace.path(percentEncoded: false)
        let temporary = work.workspace.appending(path: ".tmp")
        try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
        let own = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": workspace,
            "TMPDIR": temporary.path(percentEncoded: false),
        ]
        let command = LaunchedCommand(
            host: launcher, executable: program, arguments: arguments, environment: environment.merging(own) { $1 },
            folder: work.workspace, usageFile: try ProcessUsage.file(named: named.filter(\.isLetter), in: work.workspace))
        do {
            let ended = try await Subprocess.run(
                command.configuration(), input: .none, output: .string(limit: 4 << 20), error: .string(limit: 4 << 20))
            return (ended.terminationStatus, ended.standardOutput + ended.standardError)
        } catch let error as SubprocessError {
            throw TaskError(code: "python_environment", message: "\(named) did not run: \(error)")
        }
    }

    /// What pip says went wrong, without the passwords of addresses.
    static func reduced(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        let errors = lines.filter { $0.hasPrefix("ERROR:") }
        let told = (errors.isEmpty ? Array(lines.suffix(3)) : errors).joined(separator: " ")
            .replacing(/:\/\/[^\/@\s]*@/, with: "://").filter { !$0.isNewline }
        return told.count > 600 ? told.prefix(600) + "…" : told.isEmpty ? "it said nothing" : told
    }

    /// Those used least recently go, but none that is in use.
    private func removeUnused() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        guard names.count > Self.most else { return }
        let used = names.map { name -> (name: String, at: Date) in
            let marker = folder.appending(path: "\(name)/\(Self.marker)").path
            let at = try? FileManager.default.attributesOfItem(atPath: marker)[.modificationDate] as? Date
            return (name, at ?? .distantPast)
        }
        for (name, _) in used.sorted(by: { $0.at < $1.at }).prefix(names.count - Self.most) where users[name, default: 0] == 0 {
            try FileManager.default.removeItem(at: folder.appending(path: name))
        }
    }
}
