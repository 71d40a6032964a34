public import FlowForgeProtocol

/// Whether and when a task is tried again after an attempt at it failed.
///
/// Only what another attempt may cure is tried again: errors that say so of themselves
/// (`TaskError.retryable`) and timeouts. SQL that does not compile or a check that the data does not
/// pass would fail in the same way each time.
///
/// The delay doubles with each failure and ends at ``longestDelay``. It has no jitter: what is ready
/// is handed out one at a time, so that tasks that failed together do not meet again as a herd.
public struct RetryPolicy: Hashable, Sendable {
    /// In seconds.
    public static let longestDelay = 3600.0

    public enum Decision: Hashable, Sendable {
        case retry(afterSeconds: Double)
        case giveUp
    }

    /// Attempts after the first.
    public let retries: Int
    public let delaySeconds: Double

    public init(retries: Int, delaySeconds: Double) {
        self.retries = max(0, retries)
        self.delaySeconds = delaySeconds.isNaN ? 0 : max(0, min(delaySeconds, Self.longestDelay))
    }

    /// `failures` counts this failure too, and neither lost attempts nor cancelled ones.
    public func decide(outcome: Outcome, error: TaskError?, failures: Int) -> Decision {
        let curable = outcome == .timedOut || (outcome == .failed && error?.retryable == true)
        guard curable, failures <= retries else { return .giveUp }
        var delay = delaySeconds
        for _ in 1..<max(1, failures) where delay < Self.longestDelay { delay *= 2 }
        return .retry(afterSeconds: min(delay, Self.longestDelay))
    }
}
