public import Foundation
internal import Synchronization

/// A time zone by its IANA name, with the one thing that the calculus asks of it: the offset at an instant.
///
/// The offsets are those of Foundation's own data, which a build has for life, or of a newer tz database
/// that the program has found (``adopt(_:)``).
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

    private enum Source {
        case foundation(TimeZone)
        case rules(ZoneRules)
    }

    public static let utc = ScheduleZone("UTC", .foundation(TimeZone(secondsFromGMT: 0)!))

    private static let adopted = Mutex<(@Sendable (String) -> ZoneRules?)?>(nil)

    /// The version of Foundation's data: `2025b`.
    public static var ownVersion: String { TimeZone.timeZoneDataVersion }

    /// Zones that are made from now on have the rules that `rules` gives, Foundation's where it gives none.
    /// For a program's first lines: zones that exist keep what they have.
    public static func adopt(_ rules: @escaping @Sendable (String) -> ZoneRules?) { adopted.withLock { $0 = rules } }

    public let name: String
    private let source: Source

    public init(_ name: String) throws(ScheduleFault) {
        guard name.utf8.count <= 64, Self.isName(name) else { throw Self.fault(name) }
        if let rules = Self.adopted.withLock({ $0 })?(name) {
            self.init(name, .rules(rules))
        } else if let zone = TimeZone(identifier: name) {
            self.init(name, .foundation(zone))
        } else {
            throw Self.fault(name)
        }
    }

    init(_ name: String, rules: ZoneRules) { self.init(name, .rules(rules)) }

    private init(_ name: String, _ source: Source) {
        self.name = name
        self.source = source
    }

    private static func fault(_ name: String) -> ScheduleFault {
        ScheduleFault("time zone", found: name, "is not an IANA time zone", hint: hint(for: name))
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
    func offset(at second: Int) -> Int {
        switch source {
        case .foundation(let zone): zone.secondsFromGMT(for: Instant.date(second))
        case .rules(let rules): rules.offset(at: second)
        }
    }

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
