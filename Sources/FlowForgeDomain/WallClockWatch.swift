public import Foundation

/// Time made of two clocks: the wall clock, which people and NTP may set, and a steady one, which only
/// goes on.
///
/// A step of the wall clock is noticed (``step(wall:steady:)``), and until whoever it concerns has followed
/// it (``adopt(_:)``) the time goes on as if nothing had happened. The store moves its deadlines by it,
/// which are wall-clock times and would come too early or too late by as much. Rate corrections move both
/// clocks alike and are no steps.
public struct WallClockWatch: Sendable, Hashable {
    public struct Step: Sendable, Hashable {
        /// Seconds; negative when the clock was set back.
        public var seconds: Double

        public init(seconds: Double) { self.seconds = seconds }
    }

    /// Seconds that the clocks may be apart before it counts as a step.
    public let tolerance: Double
    /// What the wall clock shows when the steady one shows zero.
    private var origin: Date

    /// - Parameter steady: seconds since a moment of its own.
    public init(wall: Date, steady: Double, tolerance: Double = 1) {
        self.tolerance = tolerance
        origin = wall.addingTimeInterval(-steady)
    }

    /// By how much the wall clock was set since the last adopted step; `nil` within the tolerance.
    public func step(wall: Date, steady: Double) -> Step? {
        let difference = wall.timeIntervalSince(origin.addingTimeInterval(steady))
        return abs(difference) > tolerance ? Step(seconds: difference) : nil
    }

    /// The wall clock's time unless a step is still to be adopted.
    public func now(wall: Date, steady: Double) -> Date {
        step(wall: wall, steady: steady) == nil ? wall : origin.addingTimeInterval(steady)
    }

    /// From now on the time is the wall clock's again.
    public mutating func adopt(_ step: Step) { origin.addTimeInterval(step.seconds) }
}
