public import FlowForgeProtocol

/// A run as a whole.
///
///     (waits for others of its flow) ──admitted──▶ queued ──first attempt started──▶ running
///        queued │ running ──cancel, or its time is over──▶ cancelling
///        queued │ running ──all tasks final──▶ succeeded │ failed
///        cancelling ──all tasks final──▶ cancelled │ failed (its time was over)
public struct RunLifecycle: Hashable, Sendable {
    public private(set) var state: RunState
    public private(set) var endReason: RunEndReason?

    public init(state: RunState, endReason: RunEndReason? = nil) {
        self.state = state
        self.endReason = endReason
    }

    /// `false` unless this was the first.
    public mutating func attemptStarted() -> Bool {
        guard state == .queued else { return false }
        state = .running
        return true
    }

    /// `false` when it is final or being ended already: asking again changes nothing.
    public mutating func end(_ reason: RunEndReason) -> Bool {
        guard state == .queued || state == .running else { return false }
        state = .cancelling
        endReason = reason
        return true
    }

    /// The final state, once no task is open. A run that was being cancelled ends `cancelled` even
    /// when its last task still made it; it fails when its time was over or a task did not succeed.
    public mutating func settle(open: Int, unsuccessful: Int) -> RunState? {
        guard !state.isFinal, open == 0 else { return nil }
        state =
            switch (state, endReason) {
            case (.cancelling, .timeout): .failed
            case (.cancelling, _): .cancelled
            default: unsuccessful == 0 ? .succeeded : .failed
            }
        return state
    }
}
