internal import Synchronization

/// Wakes the loop of promotions. What is signalled while nobody waits is kept, once.
public final class PromotionSignal: Sendable {
    private struct State {
        var isPending = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())
    private let also: @Sendable () -> Void

    /// `also` is called at each signal.
    public init(also: @escaping @Sendable () -> Void = {}) { self.also = also }

    public func signal() {
        let waiter = state.withLock { state in
            state.isPending = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
        also()
    }

    /// Until the next signal, or cancellation. One waits at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.isPending || Task.isCancelled {
                        state.isPending = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            signal()
        }
    }
}
