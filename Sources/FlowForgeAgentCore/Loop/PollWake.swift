import Synchronization

/// Ends a parked poll early when the agent has something new to say.
final class PollWake: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isFired = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// The next ``wait()``, or the one under way, returns.
    func fire() {
        let waiter = state.withLock { state in
            let waiter = state.waiter
            state.waiter = nil
            state.isFired = waiter == nil
            return waiter
        }
        waiter?.resume()
    }

    /// Forgets what was fired: the poll that is about to leave says it.
    func clear() { state.withLock { $0.isFired = false } }

    /// For one waiter at a time. Also returns when the waiting task is cancelled.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isFired = state.withLock { state in
                    if state.isFired || Task.isCancelled {
                        state.isFired = false
                        return true
                    }
                    state.waiter = waiter
                    return false
                }
                if isFired { waiter.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
