internal import Synchronization

/// Wakes a loop that works off what the store holds. What is rung while nobody waits is kept, once.
public final class Doorbell: Sendable {
    private struct State {
        var isPending = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())
    private let next: Doorbell?

    /// `next` is rung with this one.
    public init(ringing next: Doorbell? = nil) { self.next = next }

    public func ring() {
        wake()
        next?.ring()
    }

    private func wake() {
        let waiter = state.withLock { state in
            state.isPending = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Until the next ring, for so long at most, or until cancellation. One waits at a time.
    public func wait(upTo pause: Duration, on clock: any Clock<Duration>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await clock.sleep(for: pause) }
            group.addTask { await self.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Until the next ring, or cancellation. One waits at a time.
    public func wait() async {
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
            wake()
        }
    }
}
