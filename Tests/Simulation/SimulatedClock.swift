import Foundation

@testable import FlowForgeAgentCore

/// A machine's monotonic clock: virtual time, at a rate of its own.
struct SimulatedClock: MonotonicClock {
    let loop: EventLoop
    /// Seconds that pass on this clock in a virtual second.
    var rate = 1.0

    /// An instant has no begin to count from, so all clocks share this one; only distances are used.
    private static let origin = ContinuousClock.now

    var now: ContinuousClock.Instant { Self.origin + .nanoseconds(Int64(Double(loop.now) * rate)) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        let wait = Wait()
        let passed = Self.origin.duration(to: deadline) / .nanoseconds(1)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                wait.continuation = continuation
                wait.timer = loop.at(Int64((passed / rate).rounded(.up))) { wait.end(.success(())) }
            }
        } onCancel: {
            wait.end(.failure(CancellationError()))
        }
    }

    /// Until the time has come, whatever is cancelled meanwhile.
    func oversleep(_ seconds: Double) async {
        await withCheckedContinuation { continuation in loop.after(seconds / rate) { continuation.resume() } }
    }

    private final class Wait: @unchecked Sendable {
        var continuation: CheckedContinuation<Void, any Error>?
        var timer: EventLoop.Timer?
        func end(_ result: Result<Void, any Error>) {
            timer?.cancel()
            timer = nil
            continuation?.resume(with: result)
            continuation = nil
        }
    }
}

/// What the simulated machines' wall clocks show at the begin.
let epoch = Date(timeIntervalSince1970: 1_800_000_000)
