public import Foundation

/// The offsets of a time zone as a TZif file (RFC 9636) gives them: every change of the past, and the rule
/// for the time after the last.
public struct ZoneRules: Sendable {
    /// The first seconds with the offset of the same index in `offsets`, ascending.
    private var changes: [Int] = []
    private var offsets: [Int] = []
    /// Before the first change.
    private var first = 0
    private var future: PosixZone?

    /// `nil` for what is no TZif file of version 2 or later. Reads nothing but `file`.
    public init?(file: Data) {
        var reader = Reader(bytes: [UInt8](file))
        // The first block has 32 bits for a time and is there for old readers.
        guard let old = reader.header(), old.version >= 2, reader.skip(old.bodyLength(timeSize: 4)), let header = reader.header(),
            header.types > 0, header.changes <= 10_000, header.types <= 256
        else { return nil }
        for _ in 0..<header.changes {
            guard let change = reader.integer(8), changes.last.map({ $0 < change }) ?? true else { return nil }
            changes.append(change)
        }
        var types: [Int] = []
        for _ in 0..<header.changes {
            guard let type = reader.integer(1, signed: false), type < header.types else { return nil }
            types.append(type)
        }
        var kinds: [Int] = []
        for _ in 0..<header.types {
            guard let offset = reader.integer(4), abs(offset) < 26 * 3600, reader.skip(2) else { return nil }
            kinds.append(offset)
        }
        offsets = types.map { kinds[$0] }
        first = kinds[0]
        guard reader.skip(header.rest(timeSize: 8)), let footer = reader.footer() else { return nil }
        if !footer.isEmpty {
            guard let rule = PosixZone(footer) else { return nil }
            future = rule
        }
    }

    /// Seconds east of Greenwich.
    func offset(at second: Int) -> Int {
        guard let last = changes.last, second < last else {
            return future?.offset(at: second) ?? offsets.last ?? first
        }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] <= second { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : offsets[low - 1]
    }
}

extension ZoneRules {
    private struct Header {
        var version: Int
        var utcMarks: Int
        var standardMarks: Int
        var leaps: Int
        var changes: Int
        var types: Int
        var letters: Int

        func bodyLength(timeSize: Int) -> Int { changes * (timeSize + 1) + types * 6 + rest(timeSize: timeSize) }
        /// What follows the types.
        func rest(timeSize: Int) -> Int { letters + leaps * (timeSize + 4) + standardMarks + utcMarks }
    }

    /// Reads big-endian numbers; answers `nil` rather than read past the end.
    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        mutating func header() -> Header? {
            guard bytes.count - position >= 44, bytes[position..<position + 4].elementsEqual("TZif".utf8) else { return nil }
            let version = max(1, Int(bytes[position + 4]) - 0x30)
            position += 20
            var counts: [Int] = []
            for _ in 0..<6 {
                guard let count = integer(4, signed: false), count <= 1 << 20 else { return nil }
                counts.append(count)
            }
            return Header(
                version: version, utcMarks: counts[0], standardMarks: counts[1], leaps: counts[2], changes: counts[3],
                types: counts[4],
                letters: counts[5])
        }

        mutating func integer(_ size: Int, signed: Bool = true) -> Int? {
            guard bytes.count - position >= size else { return nil }
            var value: UInt64 = signed && bytes[position] >= 0x80 ? .max : 0
            for byte in bytes[position..<position + size] { value = value << 8 | UInt64(byte) }
            position += size
            return Int(truncatingIfNeeded: value)
        }

        mutating func skip(_ count: Int) -> Bool {
            guard bytes.count - position >= count else { return false }
            position += count
            return true
        }

        /// A line between two newlines.
        func footer() -> String? {
            guard bytes.count - position >= 2, bytes.count - position <= 128, bytes[position] == 0x0A, bytes.last == 0x0A else {
                return nil
            }
            return String(decoding: bytes[position + 1..<bytes.count - 1], as: UTF8.self)
        }
    }
}
