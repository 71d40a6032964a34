import FlowForgeDomain
import FlowForgeTestValues
import Foundation

/// A schedule computed the slow way: every minute is looked at, the calendar is Foundation's, and what
/// the fields name is a predicate that was made together with the text.
struct MinuteByMinute {
    /// A day and what is needed to judge it.
    struct Day: Hashable {
        var day: Int
        /// 0 is Sunday.
        var weekday: Int
        var length: Int
    }

    struct Field<Value> {
        var text: String
        var matches: (Value) -> Bool
    }

    var minute: Field<Int>
    var hour: Field<Int>
    var day: Field<Day>
    var month: Field<Int>
    var weekday: Field<Day>

    var text: String { [minute.text, hour.text, day.text, month.text, weekday.text].joined(separator: " ") }

    // MARK: Making one up

    init(using random: inout SeededNumbers) {
        minute = Self.numbers(0...59, using: &random)
        hour = Self.numbers(0...23, using: &random)
        month = Bool.random(using: &random) ? Field(text: "*") { _ in true } : Self.numbers(1...12, using: &random)
        day = Self.monthDay(using: &random)
        weekday = Self.weekDay(using: &random)
    }

    private static func numbers(_ range: ClosedRange<Int>, using random: inout SeededNumbers) -> Field<Int> {
        let (low, high) = (range.lowerBound, range.upperBound)
        let a = Int.random(in: range, using: &random)
        let b = Int.random(in: range, using: &random)
        let step = Int.random(in: 1...(high - low), using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: return Field(text: "*") { _ in true }
        case 1: return Field(text: "*/\(step)") { ($0 - low) % step == 0 }
        case 2: return Field(text: "\(min(a, b))-\(max(a, b))") { (min(a, b)...max(a, b)).contains($0) }
        case 3:
            return Field(text: "\(min(a, b))-\(max(a, b))/\(step)") {
                (min(a, b)...max(a, b)).contains($0) && ($0 - min(a, b)) % step == 0
            }
        case 4: return Field(text: "\(a)/\(step)") { $0 >= a && ($0 - a) % step == 0 }
        case 5: return Field(text: "\(a),\(b)") { $0 == a || $0 == b }
        default: return Field(text: "\(a)") { $0 == a }
        }
    }

    private static func isWorkday(_ weekday: Int) -> Bool { (1...5).contains(weekday) }

    private static func monthDay(using random: inout SeededNumbers) -> Field<Day> {
        let n = Int.random(in: 1...31, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return Field(text: "L") { $0.day == $0.length }
        case 1: return Field(text: "L-\(n % 30 + 1)") { $0.day == $0.length - (n % 30 + 1) }
        case 2:
            return Field(text: "LW") { day in
                isWorkday(day.weekday)
                    && (day.day + 1..<max(day.day + 1, day.length + 1)).allSatisfy {
                        !isWorkday((day.weekday + $0 - day.day) % 7)
                    }
            }
        case 3:
            return Field(text: "\(n)W") { day in
                guard n <= day.length, isWorkday(day.weekday) else { return false }
                let target = (day.weekday + n - day.day + 70) % 7
                if isWorkday(target) { return day.day == n }
                // The nearer of the two sides; where the month ends there, the other.
                if target == 6 { return n == 1 ? day.day == 3 : day.day == n - 1 }
                return n == day.length ? day.day == n - 2 : day.day == n + 1
            }
        case 4, 5: return Field(text: ["*", "?"].randomElement(using: &random)!) { _ in true }
        default:
            let field = numbers(1...31, using: &random)
            return Field(text: field.text) { field.matches($0.day) }
        }
    }

    private static func weekDay(using random: inout SeededNumbers) -> Field<Day> {
        let names = ["SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"]
        let n = Int.random(in: 0...6, using: &random)
        let nth = Int.random(in: 1...5, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return Field(text: "\(names[n])#\(nth)") { $0.weekday == n && ($0.day - 1) / 7 == nth - 1 }
        case 1: return Field(text: "\(names[n])L") { $0.weekday == n && $0.day + 7 > $0.length }
        case 2: return Field(text: "7") { $0.weekday == 0 }
        case 3: return Field(text: "MON-FRI") { isWorkday($0.weekday) }
        case 4: return Field(text: "\(names[n]),\(names[(n + 2) % 7])") { $0.weekday == n || $0.weekday == (n + 2) % 7 }
        default: return Field(text: ["*", "?"].randomElement(using: &random)!) { _ in true }
        }
    }

    // MARK: Computing

    /// Every minute of a stretch of time, and what the wall and the calendar show in it.
    struct Stretch {
        let after: Int
        /// The first comes a good day before `after`: a clock may have gone back before it.
        let minutes: [(instant: Int, wall: Int)]
        let days: [Int: (today: Day, month: Int)]

        init(zone: TimeZone, after: Date, through: Date) {
            self.after = Int(after.timeIntervalSince1970)
            let range = self.after / 60 - 26 * 60...Int(through.timeIntervalSince1970) / 60
            minutes = range.map { instant in
                (instant, instant + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant * 60))) / 60)
            }
            var utc = Calendar(identifier: .gregorian)
            utc.timeZone = TimeZone(secondsFromGMT: 0)!
            var days: [Int: (Day, Int)] = [:]
            for day in minutes[0].wall / 1440 - 2...minutes[minutes.count - 1].wall / 1440 + 2 {
                let date = Date(timeIntervalSince1970: Double(day * 86_400))
                let parts = utc.dateComponents([.month, .day, .weekday], from: date)
                let length = utc.range(of: .day, in: .month, for: date)!.count
                days[day] = (Day(day: parts.day!, weekday: parts.weekday! - 1, length: length), parts.month!)
            }
            self.days = days
        }
    }

    private func calls(_ wall: Int, in stretch: Stretch) -> Bool {
        guard minute.matches(wall % 60), hour.matches(wall / 60 % 24), let (today, number) = stretch.days[wall / 1440],
            month.matches(number)
        else { return false }
        let free = day.text.hasPrefix("*") || day.text == "?" || weekday.text.hasPrefix("*") || weekday.text == "?"
        return free ? day.matches(today) && weekday.matches(today) : day.matches(today) || weekday.matches(today)
    }

    /// The instants after the stretch's beginning at which the schedule fires, by the documented rules alone.
    func firings(in stretch: Stretch, dst: DSTPolicy) -> [Date] {
        let elapsed = hour.text.hasPrefix("*")
        var seen: Set<Int> = []
        var result: [Date] = []
        var last: Int?
        for (instant, shown) in stretch.minutes {
            var fires = false
            if let last, shown > last + 1, !elapsed, dst != .skip {
                fires = (last + 1..<shown).contains { calls($0, in: stretch) }
            }
            if calls(shown, in: stretch), elapsed || dst == .both || !seen.contains(shown) { fires = true }
            seen.insert(shown)
            last = shown
            if fires, instant * 60 > stretch.after { result.append(Date(timeIntervalSince1970: Double(instant * 60))) }
        }
        return result
    }
}
