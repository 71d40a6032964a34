/// Runs `body`, cancelling it when `limit` passes first.
///
/// - Throws: ``LinkError/timedOut`` after the limit, else what `body` throws.
func withDeadline<Result: Sendable>(
    _ limit: Duration, clock: some Clock<Duration> = ContinuousClock(),
    _ body: @Sendable @escaping () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else { throw LinkError.timedOut }
        return result
    }
}
