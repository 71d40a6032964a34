internal import FlowForgeDomain
internal import Foundation

/// Whether the wall clock is believed by those who remove what is old by it: what a wrong clock makes
/// old is gone for ever.
///
///     trusted ──leaps ahead by more than an hour──▶ on probation ──a day of steady time──▶ trusted
///
/// It begins on probation unless somebody saw the days before: a clock that is wrong at the start, or
/// was set while the control plane was down, shows by a gap in the audit trail.
struct ClockTrust: Sendable {
    /// In seconds.
    static let tolerance = 3600.0
    static let probation = 86_400.0
    /// A witness is at least this old, so that those who came under the wrong clock are none.
    static let witnessAge = 86_400.0
    static let longestGap = 8 * 86_400.0

    private var watch: WallClockWatch
    private var trustedFrom: Double

    /// - Parameters:
    ///   - steady: seconds of a clock that nobody sets.
    ///   - witness: when the last thing happened that is at least `witnessAge` old.
    init(wall: Date, steady: Double, witness: Date?) {
        watch = WallClockWatch(wall: wall, steady: steady, tolerance: Self.tolerance)
        let isAttested = witness.map { wall.timeIntervalSince($0) <= Self.longestGap } ?? false
        trustedFrom = isAttested ? steady : steady + Self.probation
    }

    func isOnProbation(at steady: Double) -> Bool { steady < trustedFrom }

    /// By how many seconds the wall clock leapt ahead since it was last asked, where that is too many.
    mutating func look(wall: Date, steady: Double) -> Double? {
        guard let step = watch.step(wall: wall, steady: steady) else { return nil }
        watch.adopt(step)
        guard step.seconds > 0 else { return nil }
        trustedFrom = steady + Self.probation
        return step.seconds
    }
}
