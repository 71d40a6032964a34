public import FlowForgeProtocol

/// Whether and when a task is tried again after an attempt at it failed.
///
/// Only what another attempt may cure is tried again: errors that say so of themselves
/// (`TaskError.retryable`) and timeouts. SQL that does not compile or a check that the data does not
/// pass would fail in the same way each time.
///
/// The delay grows by ``backoff`` with each failure, ends at ``longestDelaySeconds``, and is shortened
/// by up to ``jitter`` of itself, so that tasks that failed together at one source do not return to it
/// together.
public struct RetryPolicy: Hashable, Sendable {
    /// In seconds.
    public static let longestDelay = 3600.0
    public static let defaultJitter = 0.1

    public enum Decision: Hashable, Sendable {
        case retry(afterSeconds: Double)
        case giveUp
    }

    /// Attempts after the first.
    public let retries: Int
    public let delaySeconds: Double
    /// 1 keeps the delay as it is.
    public let backoff: Double
    /// 0 … 1.
    public let jitter: Double
    public let longestDelaySeconds: Double

    /// What is out of bounds is taken for the nearest bound.
    public init(
        retries: Int, delaySeconds: Double, backoff: Double = 2, jitter: Double = 0,
        longestDelaySeconds: Double = RetryPolicy.longestDelay
    ) {
        self.retries = max(0, retries)
        self.longestDelaySeconds = Self.bounded(longestDelaySeconds, 0...Self.longestDelay)
        self.delaySeconds = Self.bounded(delaySeconds, 0...self.longestDelaySeconds)
        self.backoff = Self.bounded(backoff, 1...10)
        self.jitter = Self.bounded(jitter, 0...1)
    }

    private static func bounded(_ value: Double, _ range: ClosedRange<Double>) -> Double {
        value.isNaN ? range.lowerBound : min(max(value, range.lowerBound), range.upperBound)
    }

    /// - Parameters:
    ///   - failures: with this one, and without lost or cancelled attempts.
    ///   - draw: 0 ..< 1, which decides where in the jitter the delay lies.
    public func decide(outcome: Outcome, error: TaskError?, failures: Int, draw: Double = 0) -> Decision {
        let curable = outcome == .timedOut || (outcome == .failed && error?.retryable == true)
        guard curable, failures <= retries else { return .giveUp }
        var delay = delaySeconds
        for _ in 1..<max(1, failures) where delay < longestDelaySeconds && backoff > 1 { delay *= backoff }
        return .retry(afterSeconds: min(delay, longestDelaySeconds) * (1 - jitter * draw))
    }

    /// A draw for ``decide(outcome:error:failures:draw:)`` that is the same for the same failure.
    public static func draw(task: Int64, failures: Int) -> Double {
        // SplitMix64's mixing of one number.
        var bits = UInt64(bitPattern: task) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(failures)
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return Double((bits ^ (bits >> 31)) >> 11) / Double(1 << 53)
    }
}
