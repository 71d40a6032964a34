import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Logging
import Testing

@testable import FlowForgeAgentCore

/// Locked packages, installed by the real pip from a folder.
@Suite(.timeLimit(.minutes(3))) struct PythonEnvironmentTests {
    /// A wheel of one module, and its SHA-256.
    private func wheel(in folder: URL) async throws -> String {
        let script = """
            import base64, hashlib, sys, zipfile
            files = {"greeting.py": "WORD = 'hello'\\n",
                "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n",
                "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
            def digest(text): return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record = "".join(f"{name},sha256={digest(text)},{len(text)}\\n" for name, text in files.items())
            files["greeting-1.0.dist-info/RECORD"] = record + "greeting-1.0.dist-info/RECORD,,\\n"
            path = sys.argv[1] + "/greeting-1.0-py3-none-any.whl"
            with zipfile.ZipFile(path, "w") as archive:
                for name, text in files.items(): archive.writestr(name, text)
            print(hashlib.sha256(open(path, "rb").read()).hexdigest())
            """
        let said = try await EngineBench.output(of: Self.python(), ["-c", script, folder.path])
        return String(decoding: said, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func python() throws -> URL { try EngineBench.tool(".tools/python/bin/python") }

    private func runner(_ bench: EngineBench, python: URL? = nil) throws -> TaskRunner {
        let host = try EngineBench.host()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let pythons = try PythonEnvironments(
            folder: bench.folder.appending(path: "python"), python: try python ?? Self.python(), host: host,
            environment: ["PIP_NO_INDEX": "1", "PIP_FIND_LINKS": bench.raw.path, "SECRET": "not handed over"])
        return TaskRunner(engines: [CommandEngine(host: host, logger: logger, pythons: pythons)], logger: logger)
    }

    private func work(_ bench: EngineBench, hash: String, version: String? = ">=3.8") throws -> TaskWork {
        let script = """
            #!/usr/bin/env python
            import greeting, os, sys
            print("word", greeting.WORD, sys.prefix == os.environ["VIRTUAL_ENV"])
            """
        let file = try bench.write(script, to: "bin/run.py")
        chmod(file.path, 0o755)
        try bench.write("greeting==1.0 --hash=sha256:\(hash)\n", to: "requirements.lock")
        var work = try bench.work(TaskSpec(name: "cmd", layer: .gold, engine: "command", command: ["bin/run.py"], output: nil))
        work.manifest.python = PythonSpec(lock: "requirements.lock", version: version)
        return work
    }

    private func environments(_ bench: EngineBench) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: bench.folder.appending(path: "python").path)
    }

    @Test func `commands find the locked packages, and attempts share their environment`() async throws {
        let bench = try EngineBench()
        let hash = try await wheel(in: bench.raw)
        let runner = try runner(bench)
        // All are written before one runs: a lock that is half written is another lock.
        let works = try (0..<3).map { _ in try work(bench, hash: hash) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for work in works {
                group.addTask {
                    let report = Recorder()
                    let finished = await runner.run(work, reporting: report)
                    #expect(finished.error == nil, "\(String(describing: finished.error))")
                    #expect(report.all.lines.contains { $0.text == "word hello True" }, "\(report.all.lines)")
                }
            }
            try await group.waitForAll()
        }
        let made = try environments(bench)
        #expect(made.count == 1)
        // Another agent process takes it as it is; what a crash left it makes anew.
        let place = bench.folder.appending(path: "python/\(made[0])")
        try Data().write(to: place.appending(path: "untouched"))
        #expect(try await self.runner(bench).run(work(bench, hash: hash), reporting: Recorder()).error == nil)
        #expect(FileManager.default.fileExists(atPath: place.appending(path: "untouched").path))
        try FileManager.default.removeItem(at: place.appending(path: ".complete"))
        #expect(try await self.runner(bench).run(work(bench, hash: hash), reporting: Recorder()).error == nil)
        #expect(!FileManager.default.fileExists(atPath: place.appending(path: "untouched").path))
    }

    @Test func `a package that is not the one that was locked is not installed`() async throws {
        let bench = try EngineBench()
        _ = try await wheel(in: bench.raw)
        let finished = try await runner(bench).run(
            work(bench, hash: String(repeating: "0", count: 64)), reporting: Recorder())
        #expect(finished.error?.code == "python_environment" && finished.error?.retryable == false)
        #expect(finished.error?.message.contains("DO NOT MATCH THE HASHES") == true, "\(finished.error?.message ?? "")")
        #expect(try environments(bench).isEmpty)
    }

    @Test func `an interpreter that will not do, or is not there, is told`() async throws {
        let bench = try EngineBench()
        let hash = try await wheel(in: bench.raw)
        let old = try await runner(bench).run(work(bench, hash: hash, version: "<3"), reporting: Recorder())
        #expect(old.error?.code == "python_version" && old.error?.message.contains("needs Python <3") == true)
        let none = try await runner(bench, python: URL(filePath: "/no/such/python")).run(
            work(bench, hash: hash), reporting: Recorder())
        #expect(none.error?.code == "python_missing", "\(String(describing: none.error))")
    }

    @Test func `what pip says is told without passwords`() {
        let said = "Looking in indexes\nERROR: Could not reach https://user:secret@index.example/simple\nERROR: No match\n"
        #expect(PythonEnvironments.reduced(said) == "ERROR: Could not reach https://index.example/simple ERROR: No match")
        #expect(PythonEnvironments.reduced("") == "it said nothing")
        #expect(PythonEnvironments.reduced(String(repeating: "x", count: 5000)).count == 601)
    }
}
