/// Tells one attempt's task that it is to end, at most once. For one waiter.
struct EndSignal: Sendable {
    private let channel = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))

    func fire() { channel.continuation.yield() }

    /// Returns after ``fire()``, or when the waiting task is cancelled.
    func wait() async {
        for await _ in channel.stream { return }
    }
}
