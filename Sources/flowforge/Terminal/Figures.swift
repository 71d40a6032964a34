import Foundation

/// Numbers as people read them.
enum Figures {
    /// `420 ms`, `3.2 s`, `48 s`, `2 m 05 s`, `1 h 02 m`, `3 d 4 h`.
    static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "0 s" }
        if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 9.95 { return fixed(seconds) + " s" }
        let whole = Int(min(seconds, 1e15).rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) m \(twoDigits(whole % 60)) s" }
        if whole < 86400 { return "\(whole / 3600) h \(twoDigits(whole % 3600 / 60)) m" }
        return "\(whole / 86400) d \(whole % 86400 / 3600) h"
    }

    /// `512 B`, `1.4 kB`, `23 MB`: powers of 1000.
    static func bytes(_ count: Int64) -> String {
        if count < 1000 { return "\(count) B" }
        var value = Double(count)
        for unit in ["kB", "MB", "GB", "TB", "PB"] {
            value /= 1000
            // Rounding may carry into the next unit: 999,950 B is 1.0 MB, not 1000 kB.
            if value < 9.95 { return "\(fixed(value)) \(unit)" }
            if value < 999.5 { return "\(Int(value.rounded())) \(unit)" }
        }
        return "\(Self.count(Int64((value / 1000).rounded()))) EB"
    }

    /// `336,776`
    static func count(_ value: Int64) -> String {
        var digits = Array(String(value.magnitude))
        var position = digits.count - 3
        while position > 0 {
            digits.insert(",", at: position)
            position -= 3
        }
        return (value < 0 ? "-" : "") + String(digits)
    }

    /// `1 row`, `3 rows`, `2 checks`
    static func count(_ value: Int64, _ noun: String) -> String { "\(count(value)) \(noun)\(value == 1 ? "" : "s")" }

    /// `now`, `12 s ago`, `5 m ago`, `3 h ago`, `2 d ago`; `in …` for what is to come.
    static func relative(_ date: Date, to now: Date) -> String {
        let seconds = now.timeIntervalSince(date)
        if abs(seconds) < 1 { return "now" }
        let whole = Int(min(abs(seconds), 1e15))
        let text =
            switch whole {
            case ..<60: "\(whole) s"
            case ..<3600: "\(whole / 60) m"
            case ..<172_800: "\(whole / 3600) h"
            default: "\(whole / 86400) d"
            }
        return seconds > 0 ? "\(text) ago" : "in \(text)"
    }

    /// `2026-11-23 02:05:09`, in the given zone.
    static func time(_ date: Date, in zone: TimeZone) -> String {
        date.formatted(
            Date.ISO8601FormatStyle(dateSeparator: .dash, dateTimeSeparator: .space, timeSeparator: .colon, timeZone: zone)
                .year().month().day().time(includingFractionalSeconds: false))
    }

    private static func fixed(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
