internal import Foundation
internal import Synchronization

/// Counts the faults that tests inject and what survived them, for `make faults`.
///
/// A fault has survived when all that must hold after it was seen to hold. Each count is one appended
/// line, `kind injected survived`, in the file that the environment names; without one nothing is written.
public enum FaultTally {
    /// The file.
    public static let variable = "FLOWFORGE_FAULT_TALLY"
    /// Set for long runs: see ``rounds(_:long:)``.
    public static let longVariable = "FLOWFORGE_FAULTS_LONG"

    public static let isLong = ProcessInfo.processInfo.environment[longVariable] != nil
    private static let file = Mutex(ProcessInfo.processInfo.environment[variable])

    /// How many times to inject: few in every test run, many in `make faults`.
    public static func rounds(_ short: Int, long: Int) -> Int { isLong ? long : short }

    /// `count` faults of `kind` are injected by `body`, and survived when it returns.
    ///
    /// - Parameter kind: `<what>.<fault>`, e.g. `agent.kill`, `network.cut`, `spool.torn_write`.
    public static func fault<Result>(
        _ kind: String, count: Int = 1, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        note(kind, injected: count)
        let result = try await body()
        note(kind, survived: count)
        return result
    }

    /// For faults whose number is known only afterwards.
    public static func note(_ kind: String, injected: Int = 0, survived: Int = 0) {
        precondition(!kind.contains { $0.isWhitespace }, "a kind is one word")
        file.withLock { path in
            guard let path, injected + survived > 0 else { return }
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { return }
            // One write of an appended line: other processes of the same run count in the same file.
            let line = Array("\(kind) \(injected) \(survived)\n".utf8)
            let written = write(descriptor, line, line.count)
            precondition(written == line.count, "the tally cannot be written")
            close(descriptor)
        }
    }
}
