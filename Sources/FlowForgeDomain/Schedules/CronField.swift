/// One of the five fields: its name, what numbers and names it takes.
struct CronField: Hashable {
    let name: String
    let range: ClosedRange<Int>
    /// Upper case; the first stands for the lowest number of `range`.
    let names: [String]
    /// What may stand in it, for messages.
    let allowed: String

    static let minute = CronField(name: "minute", range: 0...59, names: [], allowed: "0-59, *, lists, ranges, steps such as */15")
    static let hour = CronField(name: "hour", range: 0...23, names: [], allowed: "0-23, *, lists, ranges, steps such as */2")
    static let day = CronField(
        name: "day of month", range: 1...31, names: [], allowed: "1-31, *, ?, L, L-3, LW, 15W, lists, ranges, steps")
    static let month = CronField(
        name: "month", range: 1...12,
        names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        allowed: "1-12, JAN-DEC, *, lists, ranges, steps")
    /// 7 is Sunday as well as 0.
    static let weekday = CronField(
        name: "day of week", range: 0...7, names: Blackout.dayNames,
        allowed: "0-7 (0 and 7 are Sunday), SUN-SAT, *, ?, FRIL, MON#2, lists, ranges, steps")

    func fault(_ found: some StringProtocol, _ problem: String, hint: String? = nil) -> ScheduleFault {
        ScheduleFault(name, found: found, problem, hint: hint ?? "allowed are \(allowed)")
    }

    /// A number or a name. `text` is ASCII in upper case.
    func value(_ text: Substring) throws(ScheduleFault) -> Int {
        if let index = names.firstIndex(of: String(text)) { return range.lowerBound + index }
        guard !text.isEmpty else { throw fault(text, "a value is missing") }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            let nearest = Spelling.nearest(String(text), among: names)
            throw fault(text, "is no value", hint: nearest.map { "did you mean '\($0)'?" })
        }
        guard text.utf8.count <= 4, let number = Int(text), range.contains(number) else {
            throw fault(text, "is out of range", hint: "it must be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
