public import FlowForgeProtocol

extension ParameterType {
    /// What a value of the type looks like, to end "must be …".
    public var form: String {
        switch self {
        case .string: "text"
        case .integer: "an integer"
        case .number: "a number"
        case .boolean: "true or false"
        case .date: "a date such as 2013-01-31"
        case .timestamp: "a time such as 2013-01-31T10:00:00Z"
        case .path: "an absolute path without '..' on the agent, such as /srv/raw"
        case .unknown: "a value of a type that this version does not know"
        }
    }

    /// `value` as a value of this type, or `nil` where it is none. Nothing is rounded or cut.
    public func converting(_ value: JSONValue) -> JSONValue? {
        switch self {
        case .string: text(value).map(JSONValue.string)
        case .integer: integer(value).map(JSONValue.integer)
        case .number: number(value)
        case .boolean: boolean(value).map(JSONValue.bool)
        case .date: text(value).flatMap { ISOTime.isDate($0) ? .string($0) : nil }
        case .timestamp: text(value).flatMap { ISOTime.isTimestamp($0) ? .string($0) : nil }
        case .path: text(value).flatMap { Self.isPath($0) ? .string($0) : nil }
        case .unknown: nil
        }
    }

    /// A NUL ends text in C and in DuckDB's parser, so none may pass.
    private func text(_ value: JSONValue) -> String? {
        guard let text = value.string, text.utf8.count <= ParameterBinder.longestText, !text.utf8.contains(0) else {
            return nil
        }
        return text
    }

    private func integer(_ value: JSONValue) -> Int64? {
        if let text = value.string { return text.hasPrefix("+") ? nil : Int64(text) }
        return value.integer
    }

    private func number(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .integer: return value
        case .number(let number): return number.isFinite ? value : nil
        case .string(let text):
            if let integer = Int64(text), !text.hasPrefix("+") { return .integer(integer) }
            // `Double(String)` would also take hexadecimal, "nan" and "inf".
            guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let number = Double(text),
                number.isFinite
            else { return nil }
            return .number(number)
        default: return nil
        }
    }

    private func boolean(_ value: JSONValue) -> Bool? {
        switch value {
        case .bool(let flag): flag
        case .string("true"): true
        case .string("false"): false
        default: nil
        }
    }

    private static func isPath(_ text: String) -> Bool {
        text.hasPrefix("/") && !text.split(separator: "/").contains("..")
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }
}

/// Dates and times as ISO 8601 and RFC 3339 write them.
public enum ISOTime {
    /// `YYYY-MM-DD`, a day that the Gregorian calendar has.
    public static func isDate(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let year = digits(parts[0], 4), let month = digits(parts[1], 2),
            let day = digits(parts[2], 2), (1...12).contains(month), day >= 1
        else { return false }
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return day <= days[month - 1]
    }

    /// A date, `T`, a time with seconds, up to six decimals, and `Z` or an offset. The offset is
    /// required: a local time would mean something else on each agent.
    public static func isTimestamp(_ text: String) -> Bool {
        let halves = text.split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2, isDate(halves[0]) else { return false }
        var time = halves[1]
        if time.last == "Z" {
            time.removeLast()
        } else {
            guard let sign = time.lastIndex(where: { $0 == "+" || $0 == "-" }) else { return false }
            let offset = time[time.index(after: sign)...].split(separator: ":", omittingEmptySubsequences: false)
            guard offset.count == 2, let hour = digits(offset[0], 2), let minute = digits(offset[1], 2),
                hour <= 14, minute <= 59
            else { return false }
            time = time[..<sign]
        }
        let pieces = time.split(separator: ".", omittingEmptySubsequences: false)
        if pieces.count == 2 { guard (1...6).contains(pieces[1].count), digits(pieces[1], nil) != nil else { return false } }
        let clock = pieces[0].split(separator: ":", omittingEmptySubsequences: false)
        guard pieces.count <= 2, clock.count == 3, let hour = digits(clock[0], 2), let minute = digits(clock[1], 2),
            let second = digits(clock[2], 2)
        else { return false }
        return hour <= 23 && minute <= 59 && second <= 59
    }

    /// ASCII digits only, exactly `count` of them where one is given.
    private static func digits(_ text: some StringProtocol, _ count: Int?) -> Int? {
        guard count == nil || text.utf8.count == count, !text.isEmpty,
            text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(text)
    }
}
