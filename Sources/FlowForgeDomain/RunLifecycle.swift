public import FlowForgeProtocol

/// A run as a whole.
///
///     queued ──first attempt started──▶ running ──all tasks final──▶ succeeded │ failed
///        │                                │
///        └────────── cancel ──────────────┴──▶ cancelling ──all tasks final──▶ cancelled
public struct RunLifecycle: Hashable, Sendable {
    public private(set) var state: RunState

    public init(state: RunState) { self.state = state }

    /// `false` unless this was the first.
    public mutating func attemptStarted() -> Bool {
        guard state == .queued else { return false }
        state = .running
        return true
    }

    /// `false` when it is final or being cancelled already: asking again changes nothing.
    public mutating func cancel() -> Bool {
        guard state == .queued || state == .running else { return false }
        state = .cancelling
        return true
    }

    /// The final state, once no task is open. A run that was being cancelled ends `cancelled` even
    /// when its last task still made it; it fails when any task did not succeed.
    public mutating func settle(tasks: some Sequence<TaskState>) -> RunState? {
        guard !state.isFinal else { return nil }
        var allSucceeded = true
        for task in tasks {
            guard task.isFinal else { return nil }
            if task != .succeeded { allSucceeded = false }
        }
        state = state == .cancelling ? .cancelled : allSucceeded ? .succeeded : .failed
        return state
    }
}
