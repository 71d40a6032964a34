/// The days of a month that two day fields name together.
struct CronDays: Hashable, Sendable {
    /// Bit n: the n-th.
    var days: UInt32 = 0
    /// Bit n: n days before the last.
    var beforeLast: UInt32 = 0
    /// Bit n: the Monday to Friday nearest to the n-th.
    var nearest: UInt32 = 0
    var lastWorkday = false
    /// Bit n: weekday n, 0 being Sunday.
    var weekdays: UInt8 = 0
    /// Bit n: the last weekday n.
    var lastWeekdays: UInt8 = 0
    /// Bit 7 * (k - 1) + n: the k-th weekday n.
    var nthWeekdays: UInt64 = 0
    /// Both fields are restricted: a day of either matches.
    var either = false

    /// Bit n: the n-th day of a month that has `length` days and begins on weekday `first`.
    func mask(length: Int, first: Int) -> UInt32 {
        let ofMonth = monthDays(length: length, first: first)
        let ofWeek = weekDays(length: length, first: first)
        return either ? ofMonth | ofWeek : ofMonth & ofWeek
    }

    func mask(_ month: CivilMonth) -> UInt32 { mask(length: month.length, first: month.firstWeekday) }

    private func monthDays(length: Int, first: Int) -> UInt32 {
        var mask = days
        for back in bits(UInt64(beforeLast)) where back < length { mask |= 1 << UInt32(length - back) }
        for day in bits(UInt64(nearest)) where day <= length {
            switch (first + day - 1) % 7 {
            case 6: mask |= 1 << UInt32(day == 1 ? 3 : day - 1)
            case 0: mask |= 1 << UInt32(day == length ? day - 2 : day + 1)
            default: mask |= 1 << UInt32(day)
            }
        }
        if lastWorkday {
            switch (first + length - 1) % 7 {
            case 6: mask |= 1 << UInt32(length - 1)
            case 0: mask |= 1 << UInt32(length - 2)
            default: mask |= 1 << UInt32(length)
            }
        }
        return mask & Self.all(length)
    }

    private func weekDays(length: Int, first: Int) -> UInt32 {
        var mask: UInt32 = 0
        for weekday in bits(UInt64(weekdays)) {
            for day in stride(from: Self.firstDay(weekday, first), through: length, by: 7) { mask |= 1 << UInt32(day) }
        }
        for weekday in bits(UInt64(lastWeekdays)) {
            let day = Self.firstDay(weekday, first)
            mask |= 1 << UInt32(day + (length - day) / 7 * 7)
        }
        for bit in bits(nthWeekdays) {
            let day = Self.firstDay(bit % 7, first) + bit / 7 * 7
            if day <= length { mask |= 1 << UInt32(day) }
        }
        return mask
    }

    private static func firstDay(_ weekday: Int, _ first: Int) -> Int { 1 + (weekday - first + 7) % 7 }
    private static func all(_ length: Int) -> UInt32 { UInt32((UInt64(1) << UInt64(length + 1)) - 2) }
}

/// The numbers of the bits that are set, ascending.
func bits(_ mask: UInt64) -> some Sequence<Int> {
    sequence(state: mask) { rest in
        guard rest != 0 else { return nil }
        let bit = rest.trailingZeroBitCount
        rest &= rest - 1
        return bit
    }
}
