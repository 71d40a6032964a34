public import Foundation

/// A time zone by its IANA name, with the one thing that the calculus asks of it: the offset at an instant.
///
/// Names that the tz database keeps for old systems only (`EST`, `PST8PDT`) and abbreviations are
/// refused: most of them name a fixed offset and not what people expect. `UTC` and `GMT` are known.
public struct ScheduleZone: Hashable, Sendable, CustomStringConvertible {
    /// A change of the offset; `at` is the first second with the new one.
    struct Change: Hashable {
        var at: Int
        var before: Int
        var after: Int
    }

    public static let utc = ScheduleZone("UTC", TimeZone(secondsFromGMT: 0)!)

    public let name: String
    private let zone: TimeZone

    public init(_ name: String) throws(ScheduleFault) {
        guard name.utf8.count <= 64, Self.isName(name), let zone = TimeZone(identifier: name) else {
            throw ScheduleFault("time zone", found: name, "is not an IANA time zone", hint: Self.hint(for: name))
        }
        self.init(name, zone)
    }

    private init(_ name: String, _ zone: TimeZone) {
        self.name = name
        self.zone = zone
    }

    /// `Area/Place` in ASCII, or `UTC`, or `GMT`. Foundation would take `GMT+5` and `PST`, too.
    private static func isName(_ name: String) -> Bool {
        if name == "UTC" || name == "GMT" { return true }
        guard name.utf8.contains(UInt8(ascii: "/")), !name.hasPrefix("/"), !name.contains("..") else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "/_-+".utf8.contains(byte)
            }
        }
    }

    private static func hint(for name: String) -> String {
        let known = TimeZone.knownTimeZoneIdentifiers + ["UTC"]
        if let nearest = Spelling.nearest(name, among: known) { return "did you mean '\(nearest)'?" }
        // A city alone is the usual mistake.
        let place = name.lowercased().replacing(" ", with: "_")
        if !place.isEmpty, let city = known.first(where: { $0.lowercased().hasSuffix("/" + place) }) {
            return "did you mean '\(city)'?"
        }
        return "write Area/City as in 'Europe/London', or 'UTC'"
    }

    public var description: String { name }

    /// `instant` as the zone's wall shows it, with its offset: `2025-03-30T03:00:00+02:00`.
    public func text(of instant: Date) -> String {
        let second = Instant.second(of: instant)
        let offset = offset(at: second)
        let time = floorMod(second + offset, 86_400)
        let minutes = abs(offset) / 60
        return String(WallTime(second: second + offset).description.prefix(16)) + ":\(two(time % 60))"
            + (offset < 0 ? "-" : "+") + "\(two(minutes / 60)):\(two(minutes % 60))"
    }

    public static func == (left: ScheduleZone, right: ScheduleZone) -> Bool { left.name == right.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }

    /// Seconds east of Greenwich.
    func offset(at second: Int) -> Int { zone.secondsFromGMT(for: Instant.date(second)) }

    /// Less than the shortest time between two changes of any zone since 1970 (6.96 days: Recife, 2000),
    /// so that two changes never hide in one step by cancelling out.
    private static let step = 5 * 86_400

    /// The first change in `(after, through]`.
    func change(after: Int, through: Int) -> Change? {
        var low = after
        let before = offset(at: low)
        while low < through {
            let high = min(low + Self.step, through)
            if offset(at: high) != before {
                var (same, other) = (low, high)
                while other - same > 1 {
                    let middle = (same + other) / 2
                    if offset(at: middle) == before { same = middle } else { other = middle }
                }
                return Change(at: other, before: before, after: offset(at: other))
            }
            low = high
        }
        return nil
    }
}

extension ScheduleZone: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}
