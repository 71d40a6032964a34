import Foundation

/// Finds resolved secrets in texts and puts `[credential NAME]` in their place: as they are, each line of one
/// with several, in Base64 (both alphabets, whatever stands around it, wrapped as programs wrap it), as
/// hexadecimal digits, and any of these percent-encoded or as JSON writes text.
struct Redactor: Sendable {
    /// The secrets of the attempt that the calling Swift task works for. The agent's own log looks here, so
    /// that no line of it holds one, whoever writes it.
    @TaskLocal static var current: Redactor?

    /// Shorter values, and shorter lines of values, are not searched for.
    static let shortest = 4
    private static let shortestLine = 8

    private struct Needle: Sendable {
        var bytes: [UInt8]
        var name: String
    }

    /// By their first byte, the longest first.
    private let needles: [[Needle]]
    /// No secret takes more bytes of a text, in whatever form.
    let longest: Int

    init(_ values: [String: CredentialValue]) {
        var all: [Needle] = []
        for (name, value) in values.sorted(by: { $0.key < $1.key }) where value.reveal().count >= Self.shortest {
            all += Self.forms(of: value.reveal()).map { Needle(bytes: $0, name: name) }
        }
        var byFirst = [[Needle]](repeating: [], count: 256)
        for needle in all.sorted(by: { $0.bytes.count > $1.bytes.count }) { byFirst[Int(needle.bytes[0])].append(needle) }
        needles = byFirst
        // `\u0041` is the longest way to write a byte.
        longest = 6 * (all.map(\.bytes.count).max() ?? 0)
    }

    func redact(_ text: String) -> String {
        var text = text
        let found = text.withUTF8 { ranges(in: Array($0)) }
        return found.isEmpty ? text : String(decoding: replaced(Array(text.utf8), found, keeping: .max), as: UTF8.self)
    }

    /// The first `limit` bytes; a secret that begins there is found also where it ends behind them.
    func redact(_ bytes: [UInt8], keeping limit: Int) -> [UInt8] { replaced(bytes, ranges(in: bytes), keeping: limit) }

    private func replaced(_ bytes: [UInt8], _ found: [(range: Range<Int>, name: String)], keeping limit: Int) -> [UInt8] {
        var (result, place): ([UInt8], Int) = ([], 0)
        for (range, name) in found where range.lowerBound < limit {
            result += bytes[place..<range.lowerBound]
            result += "[credential \(name)]".utf8
            place = range.upperBound
        }
        if place < min(limit, bytes.count) { result += bytes[place..<min(limit, bytes.count)] }
        return result
    }

    /// Where secrets are, in order, none in another.
    private func ranges(in bytes: [UInt8]) -> [(range: Range<Int>, name: String)] {
        var found = search(View(plain: bytes))
        if bytes.contains(UInt8(ascii: "%")) || bytes.contains(UInt8(ascii: "+")) {
            found +=
                search(View(percentEncoded: bytes, plusIsSpace: false)) + search(View(percentEncoded: bytes, plusIsSpace: true))
        }
        if bytes.contains(UInt8(ascii: "\\")) { found += search(View(escaped: bytes)) }
        guard !found.isEmpty else { return [] }
        found.sort { ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound) }
        var merged: [(range: Range<Int>, name: String)] = []
        for next in found {
            if let last = merged.last, next.range.lowerBound < last.range.upperBound {
                merged[merged.count - 1].range = last.range.lowerBound..<max(last.range.upperBound, next.range.upperBound)
            } else {
                merged.append(next)
            }
        }
        return merged
    }

    private func search(_ view: View) -> [(range: Range<Int>, name: String)] {
        var found: [(range: Range<Int>, name: String)] = []
        let bytes = view.bytes
        for index in bytes.indices {
            for needle in needles[Int(bytes[index])] where Self.matches(needle.bytes, bytes, at: index) {
                found.append((view.start(of: index)..<view.start(of: index + needle.bytes.count), needle.name))
                break
            }
        }
        return found
    }

    private static func matches(_ needle: [UInt8], _ bytes: [UInt8], at index: Int) -> Bool {
        guard bytes.count - index >= needle.count else { return false }
        for offset in needle.indices where bytes[index + offset] != needle[offset] { return false }
        return true
    }

    private static func forms(of value: [UInt8]) -> Set<[UInt8]> {
        var forms: Set<[UInt8]> = [value]
        for line in value.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) where line.count >= shortestLine {
            forms.insert(Array(line))
        }
        // One newline more or less at the end is what shells make of it.
        let trimmed = value.last == 0x0A ? Array(value.dropLast()) : value
        if trimmed.count >= shortest { forms.insert(trimmed) }
        let hex = value.hex
        forms.formUnion([Array(hex.utf8), Array(hex.uppercased().utf8)])
        for text in base64(of: trimmed) {
            forms.insert(Array(text.utf8))
            forms.insert(Array(text.replacing("+", with: "-").replacing("/", with: "_").utf8))
        }
        return forms.filter { $0.count >= shortest }
    }

    /// The value in Base64: whole, wrapped (RFC 2045, RFC 7468), and what of it is the same whatever
    /// stands before and behind it.
    private static func base64(of value: [UInt8]) -> [String] {
        let whole = Data(value).base64EncodedString()
        var texts = [whole, String(whole.prefix { $0 != "=" })]
        for width in [64, 76] where whole.count > width {
            var rest = whole[...]
            while !rest.isEmpty {
                if rest.count >= shortestLine { texts.append(String(rest.prefix(width))) }
                rest = rest.dropFirst(width)
            }
        }
        for shift in 0..<3 {
            let encoded = Data([UInt8](repeating: 0, count: shift) + value).base64EncodedString().prefix { $0 != "=" }
            let isCut = (shift + value.count) % 3 != 0
            let inner = encoded.dropFirst([0, 2, 3][shift]).dropLast(isCut ? 1 : 0)
            if inner.count >= shortestLine - 2 { texts.append(String(inner)) }
        }
        return texts
    }
}

/// Bytes as something reads them, and where each came from.
private struct View {
    var bytes: [UInt8]
    /// Where each of ``bytes`` begins in the text, and at last where that ends; `nil`: where it is.
    private var starts: [Int]?

    func start(of index: Int) -> Int { starts?[index] ?? index }

    init(plain: [UInt8]) { bytes = plain }

    init(percentEncoded text: [UInt8], plusIsSpace: Bool) {
        self.init(text) { index in
            if text[index] == UInt8(ascii: "%"), let value = Self.hex(text, from: index + 1, 2) { return ([UInt8(value)], 3) }
            return ([plusIsSpace && text[index] == UInt8(ascii: "+") ? 0x20 : text[index]], 1)
        }
    }

    /// As RFC 8259 escapes; what is no escape is left.
    init(escaped text: [UInt8]) {
        let short: [UInt8: UInt8] = [
            UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09, UInt8(ascii: "b"): 0x08,
            UInt8(ascii: "f"): 0x0C,
            UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5C, UInt8(ascii: "/"): 0x2F, UInt8(ascii: "'"): 0x27,
        ]
        self.init(text) { index in
            guard text[index] == 0x5C, index + 1 < text.count else { return ([text[index]], 1) }
            if let byte = short[text[index + 1]] { return ([byte], 2) }
            guard text[index + 1] == UInt8(ascii: "u"), let unit = Self.hex(text, from: index + 2, 4) else {
                return ([text[index]], 1)
            }
            if (0xD800..<0xDC00).contains(unit), index + 7 < text.count, text[index + 6] == 0x5C,
                text[index + 7] == UInt8(ascii: "u"),
                let low = Self.hex(text, from: index + 8, 4), (0xDC00..<0xE000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
            {
                return (Array(String(scalar).utf8), 12)
            }
            return Unicode.Scalar(unit).map { (Array(String($0).utf8), 6) } ?? ([text[index]], 1)
        }
    }

    private init(_ text: [UInt8], _ read: (Int) -> (bytes: [UInt8], count: Int)) {
        var (all, places, index): ([UInt8], [Int], Int) = ([], [], 0)
        all.reserveCapacity(text.count)
        while index < text.count {
            let (bytes, count) = read(index)
            all += bytes
            places += bytes.map { _ in index }
            index += count
        }
        (bytes, starts) = (all, places + [text.count])
    }

    private static func hex(_ text: [UInt8], from start: Int, _ count: Int) -> UInt32? {
        guard start + count <= text.count, text[start..<start + count].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit })
        else {
            return nil
        }
        return UInt32(String(decoding: text[start..<start + count], as: UTF8.self), radix: 16)
    }
}
