internal import Foundation

/// Instants as whole seconds since 1970 in UTC, the only form in which the calculus knows them.
enum Instant {
    /// 1970 to 2200: the zone data before say little that is certain, the rules after nothing.
    static let range = 0...7_258_118_400

    /// The second that `date` is in; the nearest end for dates outside ``range``, zero for no number.
    static func second(of date: Date) -> Int {
        let seconds = date.timeIntervalSince1970
        guard !seconds.isNaN else { return 0 }
        return Int(max(Double(range.lowerBound), min(seconds, Double(range.upperBound))).rounded(.down))
    }

    /// The first second that is not before `date`.
    static func second(rounding date: Date) -> Int {
        let second = second(of: date)
        return self.date(second) < date ? second + 1 : second
    }

    static func date(_ second: Int) -> Date { Date(timeIntervalSince1970: Double(second)) }
}

func floorDiv(_ a: Int, _ b: Int) -> Int {
    let quotient = a / b
    return a % b < 0 ? quotient - 1 : quotient
}

func floorMod(_ a: Int, _ b: Int) -> Int {
    let rest = a % b
    return rest < 0 ? rest + b : rest
}

/// A month of the proleptic Gregorian calendar, with what day sets need to know of it.
struct CivilMonth: Hashable {
    var year: Int
    /// 1 to 12.
    var month: Int

    var isLeap: Bool { (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 }

    var length: Int {
        switch month {
        case 2: isLeap ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1 January 1970 of the month's first day.
    var firstDay: Int { Self.days(year: year, month: month, day: 1) }

    /// Of the first day; 0 is Sunday.
    var firstWeekday: Int { Self.weekday(day: firstDay) }

    var next: CivilMonth {
        month == 12 ? CivilMonth(year: year + 1, month: 1) : CivilMonth(year: year, month: month + 1)
    }

    static func weekday(day: Int) -> Int { floorMod(day + 4, 7) }

    /// Howard Hinnant's `days_from_civil`: years that begin in March end with the leap day.
    static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDiv(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The inverse, `civil_from_days`.
    static func of(day: Int) -> (month: CivilMonth, day: Int) {
        let shifted = day + 719_468
        let era = floorDiv(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (CivilMonth(year: year, month: month), dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
