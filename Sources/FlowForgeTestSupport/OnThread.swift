internal import Foundation

/// Runs `body`, which may block, on a thread of its own.
///
/// Tasks and global queues share as many threads as there are processors: on a small machine one test that waits for a
/// process in place would hold up all others.
public func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}
