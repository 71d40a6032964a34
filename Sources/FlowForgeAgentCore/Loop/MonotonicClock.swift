/// A clock that nobody sets and that goes on while the machine sleeps: the agent counts leases on it.
protocol MonotonicClock: Clock where Duration == Swift.Duration, Instant == ContinuousClock.Instant {}

extension ContinuousClock: MonotonicClock {}

extension MonotonicClock {
    func sleep(for duration: Duration) async throws { try await sleep(until: now + duration, tolerance: nil) }
}
