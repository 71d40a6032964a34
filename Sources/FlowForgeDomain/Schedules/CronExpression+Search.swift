extension CronExpression {
    /// Some month of the calendar has a day that it names. Months differ in their length and in the
    /// weekday that they begin with, and every combination of the two occurs.
    var isPossible: Bool {
        bits(UInt64(months)).contains { month in
            let lengths = month == 2 ? [28, 29] : [CivilMonth(year: 2001, month: month).length]
            return lengths.contains { length in (0..<7).contains { days.mask(length: length, first: $0) != 0 } }
        }
    }

    /// Whether a wall that shows `wall` calls. Walls are in seconds since 1970, as if in UTC.
    func matches(wall: Int) -> Bool {
        guard wall % 60 == 0 else { return false }
        return next(afterWall: wall - 1, through: wall) != nil
    }

    /// The first wall time in `(after, through]` that calls.
    func next(afterWall after: Int, through: Int) -> Int? {
        var minute = floorDiv(after, 60) + 1
        let last = floorDiv(through, 60)
        guard minute <= last else { return nil }
        let today = floorDiv(minute, 1440)
        minute -= today * 1440
        var (month, day) = CivilMonth.of(day: today)
        while true {
            let first = month.firstDay
            guard (first + day - 1) * 1440 <= last else { return nil }
            if months >> UInt16(month.month) & 1 == 1 {
                var rest = days.mask(month) & (~0 << UInt32(day))
                while rest != 0 {
                    let found = rest.trailingZeroBitCount
                    rest &= rest - 1
                    if let time = next(fromMinute: found == day ? minute : 0) {
                        let total = (first + found - 1) * 1440 + time
                        return total <= last ? total * 60 : nil
                    }
                }
            }
            (month, day, minute) = (month.next, 1, 0)
        }
    }

    /// The first matching minute of a day from `minute` on.
    private func next(fromMinute minute: Int) -> Int? {
        let hour = minute / 60
        if hours >> UInt32(hour) & 1 == 1 {
            let rest = minutes & (~0 << UInt64(minute % 60))
            if rest != 0 { return hour * 60 + rest.trailingZeroBitCount }
        }
        let later = hours & (~0 << UInt32(hour + 1))
        return later == 0 ? nil : later.trailingZeroBitCount * 60 + minutes.trailingZeroBitCount
    }

    /// How many wall times in `(after, through]` call; the work grows with the months between them.
    func count(afterWall after: Int, through: Int) -> Int {
        max(0, count(untilMinute: floorDiv(through, 60), from: floorDiv(after, 60)))
    }

    /// Matching minutes in `(from, until]`.
    private func count(untilMinute until: Int, from: Int) -> Int {
        guard until > from else { return 0 }
        let (firstDay, lastDay) = (floorDiv(from + 1, 1440), floorDiv(until, 1440))
        var total = -countOfDay(firstDay, before: floorMod(from + 1, 1440))
        let perDay = hours.nonzeroBitCount * minutes.nonzeroBitCount
        var (month, day) = CivilMonth.of(day: firstDay)
        var first = month.firstDay
        while first <= lastDay {
            if months >> UInt16(month.month) & 1 == 1 {
                let through = min(month.length, lastDay - first)  // the last day itself is counted below
                let mask = UInt64(days.mask(month)) & (~0 << UInt64(day)) & ((1 << UInt64(through + 1)) - 1)
                total += mask.nonzeroBitCount * perDay
            }
            first += month.length
            (month, day) = (month.next, 1)
        }
        return total + countOfDay(lastDay, before: floorMod(until, 1440) + 1)
    }

    /// Matching minutes of a day before its minute `end`, 0 to 1440.
    private func countOfDay(_ number: Int, before end: Int) -> Int {
        let (month, day) = CivilMonth.of(day: number)
        guard months >> UInt16(month.month) & 1 == 1, days.mask(month) >> UInt32(day) & 1 == 1 else { return 0 }
        let (hour, minute) = (end / 60, end % 60)
        let full = (hours & UInt32((UInt64(1) << UInt64(hour)) - 1)).nonzeroBitCount * minutes.nonzeroBitCount
        let partial = hour < 24 && hours >> UInt32(hour) & 1 == 1 ? (minutes & ((1 << UInt64(minute)) - 1)).nonzeroBitCount : 0
        return full + partial
    }
}
