public import Foundation

/// When changes may reach an environment, by the wall clock of one zone.
public struct ChangeWindows: Hashable, Sendable, Codable {
    public var zone: ScheduleZone
    /// Empty: at any time. ``Blackout`` is the form of the periods; here they are when changes are allowed.
    public var open: [Blackout]
    public var freezes: [Freeze]

    public init(zone: ScheduleZone = .utc, open: [Blackout] = [], freezes: [Freeze] = []) {
        self.zone = zone
        self.open = open
        self.freezes = freezes
    }

    public struct Freeze: Hashable, Sendable, Codable {
        public var period: Blackout
        public var reason: String

        public init(period: Blackout, reason: String) {
            self.period = period
            self.reason = reason
        }
    }

    public enum Standing: Hashable, Sendable {
        case open
        /// `until`: when the next window opens, where one does within ``horizon``.
        case closed(until: Date?)
        case frozen(reason: String, until: Date?)
    }

    /// How far ahead the next window is looked for, in seconds.
    static let horizon = 8 * 86_400
    private static let step = 300

    public func standing(at now: Date) -> Standing {
        let second = Instant.second(of: now)
        if let freeze = freezes.first(where: { $0.period.end(around: wall(second)) != nil }) {
            return .frozen(reason: freeze.reason, until: next(after: second))
        }
        return isOpen(second) ? .open : .closed(until: next(after: second))
    }

    private func wall(_ second: Int) -> Int { second + zone.offset(at: second) }

    private func isOpen(_ second: Int) -> Bool {
        let wall = wall(second)
        guard !freezes.contains(where: { $0.period.end(around: wall) != nil }) else { return false }
        return open.isEmpty || open.contains { $0.end(around: wall) != nil }
    }

    /// To five minutes, from the next full ones on.
    private func next(after second: Int) -> Date? {
        var at = second - floorMod(second, Self.step) + Self.step
        while at <= second + Self.horizon {
            if isOpen(at) { return Instant.date(at) }
            at += Self.step
        }
        return nil
    }
}
