internal import FlowForgeDomain
internal import Foundation
internal import Synchronization

/// Since when the loop of triggers has been there without a break. Ticks of that time are late because
/// there was much to do or a write failed, and not because nobody was there to fire them.
final class Attendance: Sendable {
    private let vigil = Mutex<Vigil?>(nil)

    /// `nil` before the loop has begun.
    var since: Date? { vigil.withLock { $0?.since } }

    /// - Parameter steady: seconds of a clock that nobody sets and that goes on while the machine sleeps.
    /// - Parameter rested: since the call before there was nothing to do but to wait a few seconds.
    func look(wall: Date, steady: Double, rested: Bool) {
        vigil.withLock { vigil in
            if vigil == nil { vigil = Vigil(wall: wall, steady: steady) }
            vigil?.look(wall: wall, steady: steady, rested: rested)
        }
    }
}

/// What ``Attendance`` remembers.
struct Vigil: Sendable, Hashable {
    /// Seconds by which a wait may be longer than it should, or the wall clock ahead of the steady one,
    /// before it counts as a break.
    static let tolerance = 30.0

    private(set) var since: Date
    private var watch: WallClockWatch
    private var steady: Double

    init(wall: Date, steady: Double) {
        (since, self.steady) = (wall, steady)
        watch = WallClockWatch(wall: wall, steady: steady, tolerance: Self.tolerance)
    }

    mutating func look(wall: Date, steady: Double, rested: Bool) {
        let step = watch.step(wall: wall, steady: steady)
        if let step { watch.adopt(step) }
        // The machine or the process was stopped, or the clock was set forward over times that nobody saw.
        if (step?.seconds ?? 0) > 0 || (rested && steady - self.steady > Self.tolerance) { since = wall }
        // Set back: the time that it shows now is seen, for the second time or not.
        since = min(since, wall)
        self.steady = steady
    }
}
