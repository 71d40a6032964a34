public import Foundation

/// What an ``ID`` identifies. The prefix makes ids readable in logs and refuses one kind where
/// another is meant.
public protocol Identified {
    /// Lower-case ASCII letters, e.g. `run`.
    static var prefix: String { get }
}

public enum Run: Identified { public static let prefix = "run" }
public enum Attempt: Identified { public static let prefix = "att" }
public enum Lease: Identified { public static let prefix = "lse" }
public enum Agent: Identified { public static let prefix = "agt" }
public enum Release: Identified { public static let prefix = "rel" }
public enum Principal: Identified { public static let prefix = "prn" }
public enum JoinToken: Identified { public static let prefix = "jtk" }
public enum Snapshot: Identified { public static let prefix = "snp" }
/// One start of an agent's program.
public enum AgentProcess: Identified { public static let prefix = "prc" }
public enum Spool: Identified { public static let prefix = "spl" }
public enum Trigger: Identified { public static let prefix = "trg" }
public enum Backfill: Identified { public static let prefix = "bfl" }
public enum Promotion: Identified { public static let prefix = "pro" }
public enum ShortToken: Identified { public static let prefix = "tok" }
/// One question to another system about a plan.
public enum GateCall: Identified { public static let prefix = "gcl" }

/// A typed identifier: `<prefix>_<26 characters>`, the characters being the Crockford base32 form
/// (lower case) of a version 7 UUID (RFC 9562), so ids sort by the time they were made and can be
/// handed to standards that want a UUID (``uuid``).
public struct ID<Entity: Identified>: Hashable, Sendable, Codable, CustomStringConvertible, LosslessStringConvertible,
    Comparable
{
    public let uuid: UUID

    public init(uuid: UUID) { self.uuid = uuid }

    /// A new id. `now` orders it among others; `generator` supplies its 74 random bits.
    public static func make(at now: Date = Date(), using generator: inout some RandomNumberGenerator) -> Self {
        let milliseconds = UInt64(max(0, now.timeIntervalSince1970 * 1000))
        let high = (milliseconds << 16) | 0x7000 | UInt64.random(in: 0...0xFFF, using: &generator)
        let low = (UInt64.random(in: 0...UInt64.max, using: &generator) & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        return Self(uuid: UUID(high: high, low: low))
    }

    /// As ``make(at:using:)``, with the machine's time and randomness, or those of the ``IDSource`` that
    /// the calling Swift task runs under.
    public static func make(at now: Date? = nil) -> Self {
        let now = now ?? IDSource.time
        if var source = IDSource.current { return make(at: now, using: &source) }
        var generator = SystemRandomNumberGenerator()
        return make(at: now, using: &generator)
    }

    /// The time that it was made with, to the millisecond.
    public var madeAt: Date {
        let bytes = uuid.uuid
        let parts = [bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5]
        return Date(timeIntervalSince1970: Double(parts.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) / 1000)
    }

    /// `nil` unless `text` is exactly what ``description`` prints for an id of this kind.
    public init?(_ text: String) {
        let prefix = Entity.prefix.utf8
        guard text.utf8.starts(with: prefix),
            let mark = text.utf8.index(text.startIndex, offsetBy: prefix.count, limitedBy: text.endIndex),
            mark < text.endIndex, text.utf8[mark] == UInt8(ascii: "_"),
            let uuid = UUID(crockford: text[text.utf8.index(after: mark)...])
        else { return nil }
        self.uuid = uuid
    }

    public var description: String { "\(Entity.prefix)_\(uuid.crockford)" }

    public static func < (left: Self, right: Self) -> Bool { left.uuid < right.uuid }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(64))' is not an id of kind '\(Entity.prefix)'")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Where new ids take their time and their random bits from, for a simulation that must repeat exactly.
public struct IDSource: RandomNumberGenerator, Sendable {
    public let now: @Sendable () -> Date
    private let random: @Sendable () -> UInt64

    @TaskLocal public static var current: IDSource?

    /// Now, by the source that the calling Swift task runs under, or by the machine's clock.
    public static var time: Date { current?.now() ?? Date() }

    public init(now: @escaping @Sendable () -> Date, random: @escaping @Sendable () -> UInt64) {
        self.now = now
        self.random = random
    }

    public mutating func next() -> UInt64 { random() }
}

private let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
/// The digit that each byte stands for, 255 where it is none.
private let digits: [UInt8] = {
    var digits = [UInt8](repeating: 255, count: 256)
    for (digit, byte) in alphabet.enumerated() { digits[Int(byte)] = UInt8(digit) }
    return digits
}()

extension UUID {
    fileprivate init(high: UInt64, low: UInt64) {
        let bytes = withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
        self.init(
            uuid: (
                bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9],
                bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]
            ))
    }

    /// 128 bits as 26 base32 digits, most significant first; the first digit holds 3 bits.
    fileprivate var crockford: String {
        var value = withUnsafeBytes(of: uuid) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) }
        return String(unsafeUninitializedCapacity: 26) { text in
            for place in stride(from: 25, through: 0, by: -1) {
                text[place] = alphabet[Int(truncatingIfNeeded: value) & 31]
                value >>= 5
            }
            return 26
        }
    }

    fileprivate init?(crockford text: Substring) {
        guard text.utf8.count == 26, let first = text.utf8.first, first <= UInt8(ascii: "7") else { return nil }
        var value = UInt128(0)
        for byte in text.utf8 {
            let digit = digits[Int(byte)]
            guard digit < 32 else { return nil }
            value = value << 5 | UInt128(digit)
        }
        self.init(high: UInt64(truncatingIfNeeded: value >> 64), low: UInt64(truncatingIfNeeded: value))
    }
}
