/// What a clock on the wall shows, to the minute, without saying in which zone: `2025-12-20T18:00`.
public struct WallTime: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Seconds since 1970 as if the wall were in UTC.
    let second: Int

    init(second: Int) { self.second = second }

    /// `2025-12-20T18:00`, or a date alone, which is its first minute. Years 1970 to 2199.
    public init(_ text: String) throws(ScheduleFault) {
        guard let second = Self.parse(text) else {
            throw ScheduleFault("time", found: text, "is not a date or local time", hint: "write 2025-12-20 or 2025-12-20T18:00")
        }
        self.second = second
    }

    private static func parse(_ text: String) -> Int? {
        guard text.utf8.count <= 16 else { return nil }
        let date = text.prefix(10)
        guard ISOTime.isDate(date) else { return nil }
        let numbers = date.split(separator: "-").compactMap { Int($0) }
        guard (1970...2199).contains(numbers[0]) else { return nil }
        let midnight = CivilMonth.days(year: numbers[0], month: numbers[1], day: numbers[2]) * 86_400
        if text.utf8.count == 10 { return midnight }
        let rest = text.dropFirst(10)
        guard rest.first == "T", let minute = TimeOfDay.minute(rest.dropFirst()), minute < 1440 else { return nil }
        return midnight + minute * 60
    }

    /// With seconds where there are any, which only zones of long ago have.
    public var description: String {
        let (month, day) = CivilMonth.of(day: floorDiv(second, 86_400))
        let time = floorMod(second, 86_400)
        let text = "\(month.year)-\(two(month.month))-\(two(day))T\(two(time / 3600)):\(two(time / 60 % 60))"
        return time % 60 == 0 ? text : text + ":\(two(time % 60))"
    }

    public static func < (left: WallTime, right: WallTime) -> Bool { left.second < right.second }
}

/// `HH:MM`, 00:00 to 24:00.
enum TimeOfDay {
    static func minute(_ text: some StringProtocol) -> Int? {
        let bytes = Array(text.utf8.prefix(6))
        guard bytes.count == 5, bytes[2] == UInt8(ascii: ":") else { return nil }
        let digits = [bytes[0], bytes[1], bytes[3], bytes[4]].map { Int($0) - 48 }
        guard digits.allSatisfy({ (0...9).contains($0) }) else { return nil }
        let (hour, minute) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3])
        return minute < 60 && (hour < 24 || (hour == 24 && minute == 0)) ? hour * 60 + minute : nil
    }

    static func text(_ minute: Int) -> String { "\(two(minute / 60)):\(two(minute % 60))" }
}

func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
