import Foundation
import Subprocess
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Runs a program to its end and returns what it printed; records an issue if it failed.
func run(_ program: String, _ arguments: [String]) async throws -> String {
    let result = try await Subprocess.run(
        program.contains("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(arguments),
        output: .string(limit: 16 << 20), error: .string(limit: 1 << 20))
    let output = result.standardOutput
    let errors = result.standardError
    #expect(result.terminationStatus.isSuccess, "\(program): \(errors)")
    return output
}

/// What a program says on standard error when it fails; `nil` where it does not.
func failure(of program: String, _ arguments: [String]) async throws -> String? {
    let result = try await Subprocess.run(
        .path(FilePath(program)), arguments: Arguments(arguments), output: .string(limit: 1 << 20), error: .string(limit: 1 << 20)
    )
    return result.terminationStatus.isSuccess ? nil : result.standardError
}

/// A tool under `.tools`, or a failure that names the command that installs it.
func tool(_ path: String) throws -> String {
    let url = Sample.root.appending(path: ".tools").appending(path: path)
    try #require(FileManager.default.fileExists(atPath: url.path), "\(url.path) is missing; run `make tools`")
    return url.path
}
