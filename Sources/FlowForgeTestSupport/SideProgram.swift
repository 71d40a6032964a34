public import Foundation
internal import Subprocess
internal import SystemPackage

/// A Python program of the tests that says in its first line that it is ready, and ends when its standard
/// input does.
public enum SideProgram {
    public struct Failed: Error, CustomStringConvertible {
        public let description: String
        public init(description: String) { self.description = description }
    }

    /// Runs `body` with the program's first line while it runs.
    public static func running<Result: Sendable>(
        _ script: URL, _ arguments: [String] = [], _ body: @Sendable @escaping (_ first: String) async throws -> Result
    ) async throws -> Result {
        let ended = try await Subprocess.run(
            .path(FilePath(try Checkout.python().path)), arguments: Arguments([script.path] + arguments), input: .inputWriter,
            output: .sequence, error: .string(limit: 1 << 20)
        ) { execution -> Swift.Result<Result, any Error> in
            let result: Swift.Result<Result, any Error>
            do {
                var first = ""
                for try await line in execution.standardOutput.strings() {
                    first = line.trimmingCharacters(in: .whitespacesAndNewlines)
                    break
                }
                result =
                    first.isEmpty
                    ? .failure(Failed(description: "\(script.lastPathComponent) said nothing")) : .success(try await body(first))
            } catch {
                result = .failure(error)
            }
            try await execution.standardInputWriter.finish()
            return result
        }
        guard ended.terminationStatus == .exited(0) else {
            throw Failed(
                description:
                    "\(script.lastPathComponent) ended with \(ended.terminationStatus): \(ended.standardError.suffix(2000))")
        }
        return try ended.closureResult.get()
    }
}
