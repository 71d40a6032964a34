import Dispatch

/// Where a spool reads, writes and syncs: one thing after the other, in the order of the calls.
struct SpoolThread: Sendable {
    typealias Work = @Sendable () -> Void
    var run: @Sendable (@escaping Work) -> Void
    var later: @Sendable (Duration, @escaping Work) -> Void

    static func own() -> SpoolThread {
        let queue = DispatchQueue(label: "flowforge.spool", qos: .utility)
        return SpoolThread(
            run: { queue.async(execute: $0) },
            later: { queue.asyncAfter(deadline: .now() + $0.inSeconds, execute: $1) })
    }
}
