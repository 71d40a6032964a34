public import Foundation

/// When a flow runs by itself: a cadence in a time zone, with what happens where the clock changes, in
/// blackouts, and after a time in which nobody looked.
///
/// Every instant that the cadence names within `[start, end)` is a **tick**; each tick either runs or is
/// skipped for a reason. Ticks are whole seconds; their order is the order of time.
public struct Schedule: Hashable, Sendable {
    public enum Cadence: Hashable, Sendable {
        case cron(CronExpression)
        case interval(Interval)
    }

    /// In seconds. A tick that is decided this long after it was due is still on time, afterwards it is missed.
    public static let onTime = 60
    /// In seconds. The same where somebody was there all the time, and had too much to do or failed.
    public static let onTimeWhenAttended = 3600
    /// How far ahead of its argument or of the start ``next(after:)`` looks, in seconds: 50 years. A leap day on a given weekday can be 40
    /// years away.
    public static let horizon = 50 * 31_556_952
    public static let jitters = 0...86_400
    public static let mostBlackouts = 100

    public let cadence: Cadence
    public let zone: ScheduleZone
    public let dst: DSTPolicy
    /// No tick is before it.
    public let start: Date?
    /// No tick is at or after it.
    public let end: Date?
    public let blackouts: [Blackout]
    /// A tick fires up to so many seconds late, and always before the next one; how late is the same
    /// whenever it is computed. A delay that would end in a blackout is not applied.
    public let jitterSeconds: Int
    public let catchUp: CatchUp

    public init(
        _ cadence: Cadence, zone: ScheduleZone = .utc, dst: DSTPolicy = .once, start: Date? = nil, end: Date? = nil,
        blackouts: [Blackout] = [], jitterSeconds: Int = 0, catchUp: CatchUp = .none
    ) throws(ScheduleFault) {
        if let start, let end, end <= start {
            throw ScheduleFault(
                "end", found: zone.text(of: end), "is not after the start, \(zone.text(of: start))", hint: "leave one of them out"
            )
        }
        guard Self.jitters.contains(jitterSeconds) else {
            throw ScheduleFault("jitter", found: "\(jitterSeconds) s", "must be 0 seconds to 1 day")
        }
        guard blackouts.count <= Self.mostBlackouts else {
            throw ScheduleFault("blackouts", found: "\(blackouts.count)", "are too many, \(Self.mostBlackouts) is the limit")
        }
        self.cadence = cadence
        self.zone = zone
        self.dst = dst
        self.start = start
        self.end = end
        self.blackouts = blackouts
        self.jitterSeconds = jitterSeconds
        self.catchUp = catchUp
    }

    /// Throws for a schedule that never fires as its blackouts cover the whole week. To be asked when one is
    /// written; those that are stored are read all the same.
    public func checkBlackouts() throws(ScheduleFault) {
        guard Blackout.coverTheWeek(blackouts) else { return }
        throw ScheduleFault(
            "blackouts", "cover the whole week: the schedule would never fire",
            hint: "leave a time free, or remove the schedule; to stop one for a while, pause its trigger")
    }
}

extension Schedule: Codable {
    private enum Key: String, CodingKey {
        case cron, interval, zone, dst, start, end, blackouts, jitterSeconds, catchUp
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let cadence: Cadence =
            if let cron = try container.decodeIfPresent(CronExpression.self, forKey: .cron) {
                .cron(cron)
            } else {
                .interval(try container.decode(Interval.self, forKey: .interval))
            }
        try self.init(
            cadence, zone: container.decodeIfPresent(ScheduleZone.self, forKey: .zone) ?? .utc,
            dst: container.decodeIfPresent(DSTPolicy.self, forKey: .dst) ?? .once,
            start: container.decodeIfPresent(Date.self, forKey: .start),
            end: container.decodeIfPresent(Date.self, forKey: .end),
            blackouts: container.decodeIfPresent([Blackout].self, forKey: .blackouts) ?? [],
            jitterSeconds: container.decodeIfPresent(Int.self, forKey: .jitterSeconds) ?? 0,
            catchUp: container.decodeIfPresent(CatchUp.self, forKey: .catchUp) ?? .none)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch cadence {
        case .cron(let cron): try container.encode(cron, forKey: .cron)
        case .interval(let interval): try container.encode(interval, forKey: .interval)
        }
        try container.encode(zone, forKey: .zone)
        try container.encode(dst, forKey: .dst)
        try container.encodeIfPresent(start, forKey: .start)
        try container.encodeIfPresent(end, forKey: .end)
        if !blackouts.isEmpty { try container.encode(blackouts, forKey: .blackouts) }
        if jitterSeconds != 0 { try container.encode(jitterSeconds, forKey: .jitterSeconds) }
        if catchUp != .none { try container.encode(catchUp, forKey: .catchUp) }
    }
}
