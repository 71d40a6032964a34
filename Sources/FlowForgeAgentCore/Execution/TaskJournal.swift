import FlowForgeProtocol
import Foundation

/// FlowForge's own word about a running task: its step k of n and what each step did.
struct TaskJournal: Sendable {
    let reporting: any TaskReporting
    let steps: [String]

    /// Says that a step begins; `label` is one of ``steps``.
    func begin(_ label: String) async throws {
        let step = steps.firstIndex(of: label).map { $0 + 1 } ?? steps.count
        try await reporting.progress(TaskProgress(step: step, steps: steps.count, label: label))
    }

    func say(_ text: String) async throws { try await reporting.log(.system, text) }

    /// Runs one step and says what it did and how long it took. `done` makes the text from the result.
    func step<Result>(
        _ label: String, _ body: () async throws -> Result, done: (Result) -> String
    ) async throws -> Result {
        try await begin(label)
        let start = ContinuousClock.now
        let result = try await body()
        try await say("\(done(result)) in \(Self.seconds(ContinuousClock.now - start))")
        return result
    }

    static func seconds(_ duration: Duration) -> String {
        let parts = duration.components
        let milliseconds = parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
        return "\(milliseconds / 1000).\(String(1000 + milliseconds % 1000).dropFirst()) s"
    }
}
