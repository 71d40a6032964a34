import Foundation
import Subprocess
import SystemPackage

/// How a finished `flowforge` ended, and what it said.
struct Finished: Sendable, CustomStringConvertible {
    /// The exit code, or 128 + the signal.
    let status: Int
    let output: String
    let errors: String

    var description: String { "exit \(status)\n--- stdout\n\(output)\n--- stderr\n\(errors)" }
}

/// The program of this build, with a configuration folder of its own that is gone afterwards.
struct Command: Sendable {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let program: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(filePath: bundle).deletingLastPathComponent().appending(path: "flowforge").path
    }()

    let folder: URL
    var environment: [String: String] = [:]

    static func with<Result>(_ body: (Command) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-cli-\(UUID().uuidString.lowercased())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(Command(folder: folder))
    }

    /// A command that talks to `server` through the environment.
    static func with<Result>(_ server: ScriptedServer, _ body: (Command) async throws -> Result) async throws -> Result {
        try await with { command in
            let ca = command.folder.appending(path: "ca.pem")
            try Data(server.certificates.caPEM.utf8).write(to: ca)
            var command = command
            command.environment = ["FLOWFORGE_URL": server.url, "FLOWFORGE_TOKEN": "test-token", "FLOWFORGE_CA_FILE": ca.path]
            return try await body(command)
        }
    }

    func run(_ arguments: String..., input: String = "") async throws -> Finished {
        try await start(Self.program, arguments, input: input) { _ in }
    }

    /// Through a shell, with the program as `$0`.
    func shell(_ script: String) async throws -> Finished {
        try await start("/bin/bash", ["-c", script, Self.program], input: "") { _ in }
    }

    /// Interrupts the program once `ready` returns.
    func interrupted(_ arguments: String..., when ready: @Sendable @escaping () async -> Void) async throws -> Finished {
        try await start(Self.program, arguments, input: "") { pid in
            await ready()
            kill(pid, SIGINT)
        }
    }

    private func start(
        _ program: String, _ arguments: [String], input: String, _ meanwhile: @Sendable @escaping (pid_t) async -> Void
    ) async throws -> Finished {
        let output = folder.appending(path: "stdout-\(UUID())")
        let errors = folder.appending(path: "stderr-\(UUID())")
        var values = [
            "XDG_CONFIG_HOME": folder.path, "HOME": folder.path, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC",
        ]
        values.merge(environment) { $1 }
        let source = folder.appending(path: "stdin-\(UUID())")
        try Data(input.utf8).write(to: source)
        let permissions: FilePermissions = [.ownerReadWrite]
        let result = try await Subprocess.run(
            .path(FilePath(program)), arguments: Arguments(arguments),
            environment: .custom(
                Dictionary(uniqueKeysWithValues: values.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            workingDirectory: FilePath(Self.root.path),
            input: .fileDescriptor(try .open(FilePath(source.path), .readOnly), closeAfterSpawningProcess: true),
            output: .fileDescriptor(
                try .open(FilePath(output.path), .writeOnly, options: [.create], permissions: permissions),
                closeAfterSpawningProcess: true),
            error: .fileDescriptor(
                try .open(FilePath(errors.path), .writeOnly, options: [.create], permissions: permissions),
                closeAfterSpawningProcess: true)
        ) { execution in
            await meanwhile(execution.processIdentifier.value)
        }
        let status: Int
        switch result.terminationStatus {
        case .exited(let code): status = Int(code)
        case .signaled(let signal): status = 128 + Int(signal)
        }
        return Finished(
            status: status, output: try String(contentsOf: output, encoding: .utf8),
            errors: try String(contentsOf: errors, encoding: .utf8))
    }
}
