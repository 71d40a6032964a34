public import Foundation

/// A cadence by elapsed time: a tick at `anchor` and every whole number of steps before and after it.
///
/// A day is 86,400 seconds here, whatever the clocks of the zone do; who wants nine o'clock each day
/// writes a cron expression.
public struct Interval: Hashable, Sendable {
    public static let lengths = 1...366 * 86_400

    public let seconds: Int
    /// Whole seconds since 1970; fixes the phase, not the start.
    let anchorSecond: Int

    public var anchor: Date { Date(timeIntervalSince1970: Double(anchorSecond)) }

    /// The anchor's fraction of a second is cut off.
    public init(seconds: Int, anchor: Date = Date(timeIntervalSince1970: 0)) throws(ScheduleFault) {
        guard Self.lengths.contains(seconds) else {
            throw ScheduleFault("interval", found: "\(seconds) s", "must be 1 second to 366 days, in whole seconds")
        }
        self.seconds = seconds
        self.anchorSecond = Instant.second(of: anchor)
    }

    /// The first tick after `second`.
    func next(after second: Int) -> Int { second + seconds - floorMod(second - anchorSecond, seconds) }

    /// Ticks in `(after, through]`.
    func count(after: Int, through: Int) -> Int {
        after >= through ? 0 : floorDiv(through - anchorSecond, seconds) - floorDiv(after - anchorSecond, seconds)
    }
}

extension Interval: Codable {
    private enum Key: String, CodingKey { case seconds, anchor }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        try self.init(
            seconds: container.decode(Int.self, forKey: .seconds),
            anchor: container.decodeIfPresent(Date.self, forKey: .anchor) ?? Date(timeIntervalSince1970: 0))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(seconds, forKey: .seconds)
        if anchorSecond != 0 { try container.encode(anchor, forKey: .anchor) }
    }
}
