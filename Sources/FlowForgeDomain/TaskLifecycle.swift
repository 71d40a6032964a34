public import FlowForgeProtocol

/// One task of a run.
///
///     waiting ──upstream succeeded──▶ ready ──claimed──▶ leased ──started──▶ running
///        │                             ▲ │                 │                   │
///        │                             │ │                 └─ attempt ended ───┤
///        │                             └─┼──────── retry, or lost with agent ──┤
///        └─ upstream did not succeed ─▶ skipped                                ▼
///                  (run cancelled ─▶ cancelled)             succeeded │ failed │ cancelled
public struct TaskLifecycle: Hashable, Sendable {
    public enum AttemptEnd: Hashable, Sendable {
        case reported(Outcome, TaskError?)
        /// The lease lapsed.
        case lost
    }

    /// What an attempt's end means for its task.
    public enum Consequence: Hashable, Sendable {
        case finish(TaskState)
        /// Back to the queue, not to be claimed for so long.
        case requeue(afterSeconds: Double)
        /// Its agent was lost once too often.
        case failLost
    }

    public enum Cancellation: Hashable, Sendable {
        /// Nobody works on it; it is cancelled now.
        case cancelled
        /// An agent works on it and has to end it.
        case endAttempt
        /// It is final already.
        case nothing
    }

    public private(set) var state: TaskState
    /// Attempts that failed or timed out.
    public private(set) var failures: Int
    /// Attempts whose agent was lost.
    public private(set) var losses: Int

    public init(state: TaskState, failures: Int = 0, losses: Int = 0) {
        self.state = state
        self.failures = failures
        self.losses = losses
    }

    /// `false` where the task is not to be had; the caller then changes nothing, as for every step here.
    public mutating func claimed() -> Bool { move(from: [.ready], to: .leased) }

    public mutating func started() -> Bool { move(from: [.leased], to: .running) }

    public mutating func upstreamSucceeded() -> Bool { move(from: [.waiting], to: .ready) }

    public mutating func upstreamFailed() -> Bool { move(from: [.waiting], to: .skipped) }

    /// - Parameters:
    ///   - isCancelling: the run is being cancelled, so nothing is tried again.
    ///   - toleratedLosses: losses after which the task is still tried again.
    ///   - draw: 0 ..< 1, for the jitter of a retry's delay.
    public mutating func attemptEnded(
        _ end: AttemptEnd, isCancelling: Bool, retry: RetryPolicy, toleratedLosses: Int, draw: Double = 0
    ) -> Consequence {
        let consequence = consequence(
            of: end, isCancelling: isCancelling, retry: retry, toleratedLosses: toleratedLosses, draw: draw)
        switch consequence {
        case .finish(let final): state = final
        case .requeue: state = .ready
        case .failLost: state = .failed
        }
        return consequence
    }

    private mutating func consequence(
        of end: AttemptEnd, isCancelling: Bool, retry: RetryPolicy, toleratedLosses: Int, draw: Double
    ) -> Consequence {
        switch end {
        case .reported(.succeeded, _):
            return .finish(.succeeded)
        case .reported(.cancelled, _) where isCancelling:
            return .finish(.cancelled)
        case .reported(.cancelled, _), .reported(.lost, _), .lost:
            // An agent that cancels of its own accord (it shuts down), or that was restarted, is as good as lost.
            if isCancelling { return .finish(.cancelled) }
            losses += 1
            return losses > toleratedLosses ? .failLost : .requeue(afterSeconds: 0)
        case .reported(let outcome, let error):
            failures += 1
            if isCancelling { return .finish(.failed) }
            switch retry.decide(outcome: outcome, error: error, failures: failures, draw: draw) {
            case .retry(let seconds): return .requeue(afterSeconds: seconds)
            case .giveUp: return .finish(.failed)
            }
        }
    }

    public mutating func cancel() -> Cancellation {
        switch state {
        case .waiting, .ready:
            state = .cancelled
            return .cancelled
        case .leased, .running: return .endAttempt
        case .succeeded, .failed, .cancelled, .skipped, .unknown: return .nothing
        }
    }

    private mutating func move(from: Set<TaskState>, to: TaskState) -> Bool {
        guard from.contains(state) else { return false }
        state = to
        return true
    }
}
