import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Subprocess

/// One run of a bundle's executable.
struct CommandTask: Sendable {
    private let command: LaunchedCommand

    init(host: EngineHost, work: TaskWork, inputs: InputViews, base: SnapshotFolder?, output: URL, python: URL? = nil) throws {
        let variables = TaskVariables(work)
        let words = work.task.command ?? []
        let executable = try Self.executable(words.first, in: work.bundleFolder)
        let workspace = work.workspace.path(percentEncoded: false)
        let temporary = work.workspace.appending(path: ".tmp")
        try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)

        var environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": workspace,
            "TMPDIR": temporary.path(percentEncoded: false), "FLOWFORGE_RUN_ID": work.assignment.run.description,
            "FLOWFORGE_RUN_TIME": work.assignment.runTime.formatted(WireCoding.timeStyle),
            "FLOWFORGE_SCHEDULED_FOR": (work.assignment.scheduledFor ?? work.assignment.runTime).formatted(WireCoding.timeStyle),
            "FLOWFORGE_TASK": work.task.name,
        ]
        if let python {
            environment["VIRTUAL_ENV"] = python.path
            environment["PATH"] = "\(python.appending(path: "bin").path):\(environment["PATH"] ?? "")"
        }
        for (name, value) in variables.parameters {
            environment["FLOWFORGE_PARAMETER_\(name.uppercased())"] = TaskVariables.text(value.value)
        }
        for (name, value) in variables.variables {
            environment["FLOWFORGE_VARIABLE_\(name.uppercased())"] = TaskVariables.text(value.value)
        }
        for (asset, folder) in inputs.snapshots {
            let name = "FLOWFORGE_INPUT_\(asset.layer.rawValue)_\(asset.table)".uppercased()
            environment[name] = folder.url.path(percentEncoded: false)
        }
        if work.task.output != nil { environment["FLOWFORGE_OUTPUT"] = output.path(percentEncoded: false) }
        if let folder = work.credentials {
            environment["FLOWFORGE_CREDENTIALS_DIR"] = folder.path(percentEncoded: false)
        }
        if let base { environment["FLOWFORGE_BASE"] = base.url.path(percentEncoded: false) }
        command = LaunchedCommand(
            host: host, executable: executable,
            arguments: try words.dropFirst().map { try variables.expand($0, in: "command") }, environment: environment,
            folder: work.workspace, usageFile: try ProcessUsage.file(named: "command", in: work.workspace),
            addressSpace: min(work.task.resources.memoryBytes, host.memoryBytes))
    }

    /// The path of an executable inside the bundle, symbolic links followed.
    private static func executable(_ word: String?, in bundle: URL) throws -> String {
        guard let word, !word.hasPrefix("/") else {
            throw TaskError(code: "manifest", message: "command must begin with a path in the bundle", hint: "e.g. bin/export.sh")
        }
        let root = bundle.resolvingSymlinksInPath().path(percentEncoded: false)
        let found = bundle.appending(path: word).resolvingSymlinksInPath().path(percentEncoded: false)
        guard found.hasPrefix(root.hasSuffix("/") ? root : root + "/") else {
            throw TaskError(
                code: "manifest", message: "\(word) is outside the bundle", hint: "put the executable into the bundle")
        }
        guard FileManager.default.isExecutableFile(atPath: found) else {
            let there = FileManager.default.fileExists(atPath: found)
            throw TaskError(
                code: "command_missing", message: "\(word) \(there ? "is not executable" : "is not in the bundle")",
                hint: there ? "chmod +x \(word) and push the bundle again" : nil)
        }
        return found
    }

    /// Streams its output as log lines. Throws `exit_code` unless it exits with 0.
    func run(_ reporting: any TaskReporting) async throws {
        let ended = try await Subprocess.run(command.configuration(), input: .none, output: .sequence, error: .sequence) {
            execution in
            try await reporting.started(pid: execution.processIdentifier.value)
            let (output, errors) = (execution.standardOutput, execution.standardError)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.stream(output, as: .stdout, to: reporting) }
                group.addTask { try await Self.stream(errors, as: .stderr, to: reporting) }
                try await group.waitForAll()
            }
        }
        try Task.checkCancellation()
        switch ended.terminationStatus {
        case .exited(0): return
        case .exited(let code) where code > 128 && code < 160:
            throw TaskError(
                code: "exit_code", message: "the command was ended by signal \(code - 128)", hint: "see the task's log")
        case .exited(let code):
            throw TaskError(code: "exit_code", message: "the command exited with \(code)", hint: "see the task's log")
        case .signaled(let signal):
            throw TaskError(code: "exit_code", message: "the launcher was ended by signal \(signal)", retryable: true)
        }
    }

    private static func stream(
        _ output: SubprocessOutputSequence, as stream: LogStream, to reporting: any TaskReporting
    ) async throws {
        var lines = LogLines(redactor: Redactor.current)
        for try await chunk in output {
            for line in chunk.withUnsafeBytes({ lines.take($0) }) { try await reporting.log(stream, line) }
        }
        if let last = lines.rest() { try await reporting.log(stream, last) }
    }
}

/// Cuts a byte stream into log lines of at most ``longest`` bytes.
struct LogLines: Sendable {
    static let longest = 16 << 10
    /// Looks for secrets in what lies behind the cut, too: one may lie across it.
    let redactor: Redactor?
    private var pending: [UInt8] = []
    private var skipped = 0

    init(redactor: Redactor? = nil) { self.redactor = redactor }

    /// The lines that these bytes complete.
    mutating func take(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(close())
            } else if pending.count < Self.longest + (redactor?.longest ?? 0) {
                pending.append(byte)
            } else {
                skipped += 1
            }
        }
        return lines
    }

    /// What came after the last newline.
    mutating func rest() -> String? { pending.isEmpty ? nil : close() }

    private mutating func close() -> String {
        defer {
            pending = []
            skipped = 0
        }
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        let more = skipped + max(0, pending.count - Self.longest)
        let shown = redactor?.redact(pending, keeping: Self.longest) ?? pending
        guard more > 0 else { return String(decoding: shown, as: UTF8.self) }
        let note = "… (\(more) bytes more)"
        return String(decoding: shown.prefix(Self.longest - note.utf8.count), as: UTF8.self) + note
    }
}
