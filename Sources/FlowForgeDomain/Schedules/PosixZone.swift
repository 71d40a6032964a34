/// The rule of a TZif file for the time after its last change, as POSIX writes it in `TZ`:
/// `EST5EDT,M3.2.0,M11.1.0`, `<+0330>-3:30`.
struct PosixZone: Hashable, Sendable {
    /// A day of each year and a time of that day, in seconds, which may lie on another day.
    private struct Day: Hashable {
        enum Form: Hashable {
            /// `Mm.w.d`: the w-th weekday d of month m; the last where w is 5.
            case weekday(month: Int, week: Int, weekday: Int)
            /// `Jn`: the n-th day, 1 to 365, where 29 February is not counted.
            case withoutLeapDay(Int)
            /// `n`: the n-th day, 0 to 365.
            case ofYear(Int)
        }

        var form: Form
        var time: Int

        /// Seconds since 1970 on the wall.
        func wall(in year: Int) -> Int {
            let january = CivilMonth(year: year, month: 1)
            let day: Int
            switch form {
            case .weekday(let number, let week, let weekday):
                let month = CivilMonth(year: year, month: number)
                var date = 1 + (weekday - month.firstWeekday + 7) % 7 + (week - 1) * 7
                if date > month.length { date -= 7 }
                day = month.firstDay + date - 1
            case .withoutLeapDay(let number): day = january.firstDay + number - 1 + (january.isLeap && number >= 60 ? 1 : 0)
            case .ofYear(let number): day = january.firstDay + number
            }
            return day * 86_400 + time
        }
    }

    private var standard = 0
    private var summer: Summer?

    private struct Summer: Hashable {
        var offset: Int
        var begin: Day
        var end: Day
    }

    init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        guard Self.name(&rest), let standard = Self.time(&rest) else { return nil }
        self.standard = -standard
        guard !rest.isEmpty else { return }
        guard Self.name(&rest) else { return nil }
        var offset = self.standard + 3600
        if rest.first != UInt8(ascii: ",") {
            guard let given = Self.time(&rest) else { return nil }
            offset = -given
        }
        guard let begin = Self.day(&rest), let end = Self.day(&rest), rest.isEmpty else { return nil }
        summer = Summer(offset: offset, begin: begin, end: end)
    }

    /// Seconds east of Greenwich.
    func offset(at second: Int) -> Int {
        guard let summer else { return standard }
        let year = CivilMonth.of(day: floorDiv(second + standard, 86_400)).month.year
        let begin = summer.begin.wall(in: year) - standard
        let end = summer.end.wall(in: year) - summer.offset
        let isSummer = begin < end ? begin <= second && second < end : second < end || begin <= second
        return isSummer ? summer.offset : standard
    }

    // MARK: Parsing

    private static func name(_ rest: inout ArraySlice<UInt8>) -> Bool {
        if rest.first == UInt8(ascii: "<") {
            guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
            rest = rest[(end + 1)...]
            return true
        }
        let letters = rest.prefix { (UInt8(ascii: "A")...UInt8(ascii: "z")).contains($0) }
        rest = rest[letters.endIndex...]
        return letters.count >= 3
    }

    private static func number(_ rest: inout ArraySlice<UInt8>) -> Int? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...3).contains(digits.count) else { return nil }
        rest = rest[digits.endIndex...]
        return digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
    }

    private static func skip(_ character: Character, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == character.asciiValue else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// `[+-]h[h[h]][:mm[:ss]]`, in seconds.
    private static func time(_ rest: inout ArraySlice<UInt8>) -> Int? {
        let sign = skip("-", &rest) ? -1 : 1
        _ = skip("+", &rest)
        guard let hours = number(&rest), hours <= 167 else { return nil }
        var seconds = hours * 3600
        for unit in [60, 1] where skip(":", &rest) {
            guard let part = number(&rest), part < 60 else { return nil }
            seconds += part * unit
        }
        return sign * seconds
    }

    /// `,date[/time]`; two o'clock where there is no time.
    private static func day(_ rest: inout ArraySlice<UInt8>) -> Day? {
        guard skip(",", &rest) else { return nil }
        let form: Day.Form
        if skip("M", &rest) {
            guard let month = number(&rest), (1...12).contains(month), skip(".", &rest), let week = number(&rest),
                (1...5).contains(week),
                skip(".", &rest), let weekday = number(&rest), weekday <= 6
            else { return nil }
            form = .weekday(month: month, week: week, weekday: weekday)
        } else if skip("J", &rest) {
            guard let day = number(&rest), (1...365).contains(day) else { return nil }
            form = .withoutLeapDay(day)
        } else {
            guard let day = number(&rest), day <= 365 else { return nil }
            form = .ofYear(day)
        }
        guard skip("/", &rest) else { return Day(form: form, time: 7200) }
        return time(&rest).map { Day(form: form, time: $0) }
    }
}
