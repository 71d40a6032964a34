import FlowForgeTestSupport
import Synchronization

/// Requests that run beside the test; their answers are collected at the end.
final class Answers: Sendable {
    private let tasks = Mutex<[Task<TestAgent.Answer?, Never>]>([])

    func start(_ request: @escaping @Sendable () async throws -> TestAgent.Answer) {
        tasks.withLock { $0.append(Task { try? await request() }) }
    }

    /// `nil` for a request that got no answer.
    func all() async -> [TestAgent.Answer?] {
        var answers: [TestAgent.Answer?] = []
        for task in tasks.withLock({ $0 }) { answers.append(await task.value) }
        return answers
    }
}
