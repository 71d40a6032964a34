internal import Foundation

/// The store's time, made of two clocks: the wall clock, which people and NTP may set, and a steady
/// one, which only goes on.
///
/// Stored deadlines are wall-clock times. When the wall clock is set they would come too early or too
/// late by as much; so a step is noticed (``step(wall:steady:)``), and until the deadlines were moved by
/// it (``adopt(_:)``) the time goes on as if nothing had happened. Rate corrections move both clocks
/// alike and are no steps.
struct WallClockWatch: Sendable {
    struct Step: Sendable, Hashable {
        /// Seconds; negative when the clock was set back.
        var seconds: Double
    }

    /// Seconds that the clocks may be apart before it counts as a step.
    let tolerance: Double
    /// What the wall clock shows when the steady one shows zero.
    private var origin: Date

    /// - Parameter steady: seconds since a moment of its own.
    init(wall: Date, steady: Double, tolerance: Double = 1) {
        self.tolerance = tolerance
        origin = wall.addingTimeInterval(-steady)
    }

    /// By how much the wall clock was set since the last adopted step; `nil` within the tolerance.
    func step(wall: Date, steady: Double) -> Step? {
        let difference = wall.timeIntervalSince(origin.addingTimeInterval(steady))
        return abs(difference) > tolerance ? Step(seconds: difference) : nil
    }

    /// The wall clock's time unless a step is still to be adopted.
    func now(wall: Date, steady: Double) -> Date {
        step(wall: wall, steady: steady) == nil ? wall : origin.addingTimeInterval(steady)
    }

    /// From now on the time is the wall clock's again.
    mutating func adopt(_ step: Step) { origin.addTimeInterval(step.seconds) }
}
