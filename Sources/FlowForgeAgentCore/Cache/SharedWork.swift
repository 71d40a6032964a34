import Synchronization

/// Lets concurrent callers who want the same thing wait for one of them to get it.
///
/// The work runs in the task of the first caller. If that task is cancelled the next one who waits
/// takes over; a failure is everybody's.
actor SharedWork<Key: Hashable & Sendable, Value: Sendable> {
    private var waiting: [Key: [CheckedContinuation<Value?, any Error>]] = [:]

    func value(for key: Key, make: @Sendable () async throws -> Value) async throws -> Value {
        while true {
            if waiting[key] == nil {
                waiting[key] = []
                return try await lead(key, make)
            }
            // Nil: the one who worked was cancelled.
            let shared = try await withCheckedThrowingContinuation { waiting[key]?.append($0) }
            if let shared { return shared }
            try Task.checkCancellation()
        }
    }

    private func lead(_ key: Key, _ make: @Sendable () async throws -> Value) async throws -> Value {
        do {
            let value = try await make()
            for waiter in waiting.removeValue(forKey: key) ?? [] { waiter.resume(returning: value) }
            return value
        } catch {
            let wasCancelled = error is CancellationError || Task.isCancelled
            for waiter in waiting.removeValue(forKey: key) ?? [] {
                if wasCancelled { waiter.resume(returning: nil) } else { waiter.resume(throwing: error) }
            }
            throw error
        }
    }
}
