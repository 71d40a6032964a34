/// When a clock on the wall calls: five fields, `minute hour day-of-month month day-of-week`.
///
/// Each field is a list of `*`, numbers, names (`JAN`, `MON`), ranges, and steps (`*/15`, `8-18/2`, `5/15`
/// meaning from 5 on). Days of month also: `?` (as `*`), `L` (last day), `L-3` (three days before it),
/// `LW` (last Monday to Friday), `15W` (the Monday to Friday nearest to the 15th, in its month). Days of
/// week, 0 and 7 being Sunday, also: `?`, `5L` or `FRIL` (last Friday), `MON#2` (second Monday). Aliases:
/// `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
///
/// Vixie's rule of days: where neither day field begins with `*` or `?`, a day that *either* names
/// matches; otherwise it must match both. Equal are expressions of equal ``description``.
public struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    /// As it was written, with one blank between the fields. This is how it is encoded.
    public let text: String
    /// The canonical spelling: numbers for names, fields for aliases, one blank between them.
    public let description: String

    let minutes: UInt64
    let hours: UInt32
    let months: UInt16
    let days: CronDays
    /// The hour field begins with `*`: the expression follows elapsed time where the clock changes.
    let everyHour: Bool

    /// Refuses what no clock will ever show, such as `0 0 30 2 *`.
    public init(_ text: String) throws(ScheduleFault) {
        var parser = CronParser()
        self = try parser.parse(text)
    }

    init(text: String, description: String, minutes: UInt64, hours: UInt32, months: UInt16, days: CronDays, everyHour: Bool) {
        self.text = text
        self.description = description
        self.minutes = minutes
        self.hours = hours
        self.months = months
        self.days = days
        self.everyHour = everyHour
    }

    public static func == (left: CronExpression, right: CronExpression) -> Bool { left.description == right.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

extension CronExpression: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
