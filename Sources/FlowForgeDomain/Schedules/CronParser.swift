/// Reads a cron expression: strict, in one pass, in time bounded by ``longest``.
struct CronParser {
    static let longest = 256
    static let aliases = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    private var days = CronDays()

    mutating func parse(_ text: String) throws(ScheduleFault) -> CronExpression {
        guard text.utf8.count <= Self.longest else {
            throw ScheduleFault("cron", "is \(text.utf8.count) bytes long, \(Self.longest) is the limit")
        }
        guard text.utf8.allSatisfy({ ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x09 }) else {
            throw ScheduleFault("cron", found: text, "holds characters that no expression has", hint: "one line of ASCII")
        }
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let written = text.split(whereSeparator: isBlank).joined(separator: " ")
        let spelled = try written.hasPrefix("@") ? Self.alias(written) : written
        let fields = spelled.uppercased().split(whereSeparator: isBlank)
        guard fields.count == 5 else { throw Self.wrongCount(fields.count, written) }

        let minute = try plain(fields[0], .minute)
        let hour = try plain(fields[1], .hour)
        let day = try list(fields[2], .day) { (item, days) throws(ScheduleFault) in try Self.special(day: item, &days) }
        let month = try plain(fields[3], .month)
        let weekday = try list(fields[4], .weekday) { (item, days) throws(ScheduleFault) in try Self.special(weekday: item, &days)
        }
        days.days = UInt32(truncatingIfNeeded: day.mask)
        days.weekdays = UInt8(truncatingIfNeeded: (weekday.mask & 0x7F) | (weekday.mask >> 7 & 1))
        days.either = !day.star && !weekday.star
        let expression = CronExpression(
            text: written, description: [minute, hour, day, month, weekday].map(\.text).joined(separator: " "),
            minutes: minute.mask, hours: UInt32(hour.mask), months: UInt16(month.mask), days: days, everyHour: hour.star)
        guard expression.isPossible else {
            throw ScheduleFault("cron", found: written, "names a day that no year has", hint: "check day of month and month")
        }
        return expression
    }

    private static func alias(_ text: String) throws(ScheduleFault) -> String {
        let name = text.lowercased()
        if let fields = aliases[name] { return fields }
        switch true {
        case name == "@reboot":
            throw ScheduleFault(
                "cron", found: text, "names no time: there is no machine whose start it could mean",
                hint: "use a schedule, or start the run by hand")
        case name.hasPrefix("@every"):
            throw ScheduleFault("cron", found: text, "is an interval", hint: "write an interval schedule instead")
        default:
            throw ScheduleFault(
                "cron", found: text, "is no alias", hint: "aliases are \(aliases.keys.sorted().joined(separator: ", "))")
        }
    }

    private static func wrongCount(_ count: Int, _ text: String) -> ScheduleFault {
        let order = "minute hour day-of-month month day-of-week"
        let upper = text.uppercased()
        if upper.hasPrefix("TZ=") || upper.hasPrefix("CRON_TZ=") {
            return ScheduleFault("cron", found: text, "holds a time zone", hint: "name it in the schedule's own zone field")
        }
        switch count {
        case 0: return ScheduleFault("cron", "is empty", hint: "five fields: \(order)")
        case 6, 7:
            return ScheduleFault(
                "cron", found: text, "has \(count) fields, not 5",
                hint: "seconds and years are not known here; the fields are \(order)")
        default: return ScheduleFault("cron", found: text, "has \(count) fields, not 5", hint: "the fields are \(order)")
        }
    }

    // MARK: Fields

    private struct Field {
        var mask: UInt64 = 0
        var text = ""
        /// It begins with `*` or `?`.
        var star: Bool { text.hasPrefix("*") }
    }

    private mutating func plain(_ text: Substring, _ field: CronField) throws(ScheduleFault) -> Field {
        try list(text, field) { (_, _) throws(ScheduleFault) in nil }
    }

    /// `special` takes what only day fields know, and gives its canonical spelling.
    private mutating func list(
        _ text: Substring, _ field: CronField,
        special: (Substring, inout CronDays) throws(ScheduleFault) -> String?
    ) throws(ScheduleFault) -> Field {
        var result = Field()
        var texts: [String] = []
        if text == "?", field == .day || field == .weekday {
            return Field(mask: Self.mask(field.range, step: 1), text: "*")
        }
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard !item.isEmpty else { throw field.fault(text, "a comma has nothing beside it") }
            if let spelled = try special(item, &days) {
                texts.append(spelled)
            } else {
                let (mask, spelled) = try Self.item(item, field)
                result.mask |= mask
                texts.append(spelled)
            }
        }
        result.text = texts.joined(separator: ",")
        return result
    }

    /// `*`, `5`, `1-5`, and each of them with `/step`.
    private static func item(_ item: Substring, _ field: CronField) throws(ScheduleFault) -> (UInt64, String) {
        let parts = item.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw field.fault(item, "has two steps") }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw field.fault(item, "is a range of more than two ends") }
        var range: ClosedRange<Int>
        var text: String
        if parts[0] == "*" {
            range = field == .weekday ? 0...6 : field.range
            text = "*"
        } else if ends.count == 2 {
            let low = try field.value(ends[0])
            var high = try field.value(ends[1])
            if field == .weekday, high == 0, low > 0 { high = 7 }
            guard low <= high else {
                throw field.fault(item, "is a range that runs backwards", hint: "write it as two ranges, joined by a comma")
            }
            range = low...high
            text = "\(low)-\(high)"
        } else {
            let value = try field.value(parts[0])
            range = parts.count == 2 ? value...max(value, field == .weekday ? 6 : field.range.upperBound) : value...value
            text = "\(field == .weekday && parts.count == 1 ? value % 7 : value)"
        }
        guard parts.count == 2 else { return (mask(range, step: 1), text) }
        let step = try self.step(parts[1], item, field)
        return (mask(range, step: step), step == 1 && text != "*" && ends.count == 2 ? text : "\(text)/\(step)")
    }

    private static func step(_ text: Substring, _ item: Substring, _ field: CronField) throws(ScheduleFault) -> Int {
        let most = field.range.upperBound - field.range.lowerBound
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw field.fault(item, "has a step that is no number")
        }
        guard text.utf8.count <= 4, let step = Int(text), (1...most).contains(step) else {
            throw field.fault(item, "has a step out of range", hint: "it must be 1 to \(most); for longer cycles use an interval")
        }
        return step
    }

    private static func mask(_ range: ClosedRange<Int>, step: Int) -> UInt64 {
        stride(from: range.lowerBound, through: range.upperBound, by: step).reduce(0) { $0 | 1 << UInt64($1) }
    }

    // MARK: What only day fields know

    private static func special(day item: Substring, _ days: inout CronDays) throws(ScheduleFault) -> String? {
        let field = CronField.day
        if item == "LW" {
            days.lastWorkday = true
            return "LW"
        }
        if item == "L" {
            days.beforeLast |= 1
            return "L"
        }
        if item.hasPrefix("L-") {
            guard let back = Int(item.dropFirst(2)), item.utf8.count <= 4, (1...30).contains(back), item != "L-+\(back)" else {
                throw field.fault(item, "is not so many days before the last", hint: "write L-1 to L-30")
            }
            days.beforeLast |= 1 << UInt32(back)
            return "L-\(back)"
        }
        guard item.hasSuffix("W") else { return nil }
        let day = try field.value(item.dropLast())
        days.nearest |= 1 << UInt32(day)
        return "\(day)W"
    }

    private static func special(weekday item: Substring, _ days: inout CronDays) throws(ScheduleFault) -> String? {
        let field = CronField.weekday
        if item == "L" {
            throw field.fault(
                item, "names no day: other programs read it as Saturday", hint: "write 6, or 6L for the last Saturday")
        }
        if item.hasSuffix("L") {
            let day = try field.value(item.dropLast()) % 7
            days.lastWeekdays |= 1 << UInt8(day)
            return "\(day)L"
        }
        let parts = item.split(separator: "#", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return nil }
        let day = try field.value(parts[0]) % 7
        guard parts.count == 2, ["1", "2", "3", "4", "5"].contains(parts[1]), let nth = Int(parts[1]) else {
            throw field.fault(item, "must be #1 to #5 after one day", hint: "as in MON#2")
        }
        days.nthWeekdays |= 1 << UInt64(7 * (nth - 1) + day)
        return "\(day)#\(nth)"
    }
}
