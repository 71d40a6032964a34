/// Full-jitter exponential backoff, the agent's only one: the n-th delay in a row is drawn evenly
/// from 0 up to `first` · 2ⁿ⁻¹, never more than `cap`, so that agents that lost the same control
/// plane do not come back at the same moment.
public struct Backoff: Sendable {
    public let first: Duration
    public let cap: Duration
    private var failures = 0
    /// Draws from 0 up to the given number of seconds.
    private let draw: @Sendable (Double) -> Double

    public init(
        first: Duration = .seconds(1), cap: Duration = .seconds(60),
        draw: @escaping @Sendable (Double) -> Double = { Double.random(in: 0...$0) }
    ) {
        self.first = first
        self.cap = cap
        self.draw = draw
    }

    /// The delay after one more failure.
    public mutating func next() -> Duration {
        failures += 1
        return .seconds(draw(ceiling))
    }

    /// Forgets the failures: the next delay is short again.
    public mutating func reset() { failures = 0 }

    /// In seconds.
    private var ceiling: Double {
        // 2³⁰ seconds is past any cap; more would overflow after a weekend offline.
        let growth = Double(1 << min(max(failures - 1, 0), 30))
        return min(first.inSeconds * growth, cap.inSeconds)
    }
}

extension Duration {
    /// As a fraction, for arithmetic that `Duration` lacks.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
