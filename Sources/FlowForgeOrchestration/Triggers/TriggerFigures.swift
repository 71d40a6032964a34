internal import Synchronization

/// How late ticks of schedules are fired, since the control plane started.
public final class TriggerFigures: Sendable {
    /// Upper bounds in seconds.
    public static let buckets: [Double] = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600]

    public struct Lag: Sendable, Hashable {
        /// Not cumulative; the last is for what is above all bounds.
        public var byBucket = [Int](repeating: 0, count: TriggerFigures.buckets.count + 1)
        public var seconds = 0.0
    }

    private let record = Mutex(Lag())

    public init() {}

    public var lag: Lag { record.withLock { $0 } }

    func fired(after seconds: Double) {
        let seconds = max(0, seconds)
        let bucket = Self.buckets.firstIndex { seconds <= $0 } ?? Self.buckets.count
        record.withLock {
            $0.byBucket[bucket] += 1
            $0.seconds += seconds
        }
    }
}
