/// A time in which no tick fires, by the wall clock of the schedule's zone. The beginning belongs to it,
/// the end does not.
public struct Blackout: Hashable, Sendable {
    private enum Window: Hashable {
        /// Bit n of `days` is weekday n, 0 being Sunday; `from` and `until` are minutes of the day.
        case weekly(days: UInt8, from: Int, until: Int)
        case period(from: WallTime, until: WallTime)
    }

    private let window: Window

    static let dayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

    /// Each week from a time of the days named to a time of the same day or, where that is not later, of
    /// the day after: 22:00 to 06:00 ends in the morning, 00:00 to 24:00 is a whole day.
    ///
    /// `days` are names of three letters, all seven where there are none; times are `HH:MM`, to 24:00.
    public static func weekly(days: [String] = [], from: String, until: String) throws(ScheduleFault) -> Blackout {
        var mask: UInt8 = 0
        for day in days {
            guard let number = dayNames.firstIndex(of: day.uppercased()) else {
                throw ScheduleFault(
                    "blackout days", found: day, "is not a day", hint: "days are \(dayNames.joined(separator: ", "))")
            }
            mask |= 1 << UInt8(number)
        }
        return Blackout(
            window: .weekly(
                days: mask == 0 ? 0x7F : mask, from: try minute(from, "blackout from") % 1440,
                until: try minute(until, "blackout until") % 1440))
    }

    /// Once, from a local time to another; a date alone is its first minute.
    public static func period(from: String, until: String) throws(ScheduleFault) -> Blackout {
        let (begin, end) = (try WallTime(from), try WallTime(until))
        guard begin < end else { throw ScheduleFault("blackout", found: "\(from) until \(until)", "ends before it begins") }
        return Blackout(window: .period(from: begin, until: end))
    }

    /// Whole days, the last one included.
    public static func dates(from: String, through: String) throws(ScheduleFault) -> Blackout {
        for date in [from, through] where date.utf8.count != 10 {
            throw ScheduleFault(
                "blackout", found: date, "is not a date", hint: "write 2025-12-20, or 'until' with a time in place of 'through'")
        }
        let (begin, last) = (try WallTime(from), try WallTime(through))
        guard begin <= last else { throw ScheduleFault("blackout", found: "\(from) through \(through)", "ends before it begins") }
        return Blackout(window: .period(from: begin, until: WallTime(second: last.second + 86_400)))
    }

    private static func minute(_ text: String, _ part: String) throws(ScheduleFault) -> Int {
        guard let minute = TimeOfDay.minute(text) else {
            throw ScheduleFault(part, found: text, "is not a time of day", hint: "write 00:00 to 24:00")
        }
        return minute
    }

    /// Whether some of them leave no minute of the week, whatever the clock does.
    static func coverTheWeek(_ blackouts: [Blackout]) -> Bool {
        var minutes = [Bool](repeating: false, count: 7 * 1440)
        for blackout in blackouts {
            guard case .weekly(let days, let from, let until) = blackout.window else { continue }
            let length = until > from ? until - from : until - from + 1440
            for day in 0..<7 where days >> UInt8(day) & 1 == 1 {
                for minute in 0..<length { minutes[(day * 1440 + from + minute) % minutes.count] = true }
            }
        }
        return !minutes.contains(false)
    }

    /// The end of the blackout that `wall` is in, or `nil` where it is in none.
    func end(around wall: Int) -> Int? {
        switch window {
        case .period(let from, let until):
            return from.second <= wall && wall < until.second ? until.second : nil
        case .weekly(let days, let from, let until):
            let today = floorDiv(wall, 86_400)
            let length = until > from ? until - from : until - from + 1440
            for day in [today, today - 1] where days >> UInt8(CivilMonth.weekday(day: day)) & 1 == 1 {
                let start = day * 86_400 + from * 60
                if start <= wall, wall < start + length * 60 { return start + length * 60 }
            }
            return nil
        }
    }
}

extension Blackout: Codable {
    private enum Key: String, CodingKey { case days, from, until, through }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let from = try container.decode(String.self, forKey: .from)
        if let through = try container.decodeIfPresent(String.self, forKey: .through) {
            self = try .dates(from: from, through: through)
        } else {
            let until = try container.decode(String.self, forKey: .until)
            if let days = try container.decodeIfPresent([String].self, forKey: .days) {
                self = try .weekly(days: days, from: from, until: until)
            } else {
                self = try from.utf8.count == 5 ? .weekly(from: from, until: until) : .period(from: from, until: until)
            }
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch window {
        case .weekly(let days, let from, let until):
            if days != 0x7F { try container.encode(bits(UInt64(days)).map { Self.dayNames[$0] }, forKey: .days) }
            try container.encode(TimeOfDay.text(from), forKey: .from)
            try container.encode(TimeOfDay.text(until == 0 ? 1440 : until), forKey: .until)
        case .period(let from, let until):
            try container.encode(from.description, forKey: .from)
            try container.encode(until.description, forKey: .until)
        }
    }
}
