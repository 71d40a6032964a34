internal import Foundation

/// The 512-byte header of a regular file in the one form of ustar (POSIX.1-1988) that FlowForge
/// writes and accepts: owner, group and time zero, mode 0644 or 0755, no links, devices, sparse
/// files, pax or GNU extensions. One form for one file keeps digests equal on every machine and leaves
/// a hostile archive nothing to play with.
struct TarHeader: Hashable {
    static let block = 512
    var path: String
    var size: Int
    var isExecutable: Bool

    /// `path` as ustar's prefix and name, or `nil` where it does not fit. The split is at the first
    /// slash that leaves a name of at most 100 bytes.
    static func split(_ path: String) -> (prefix: Substring, name: Substring)? {
        if path.utf8.count <= 100 { return ("", path[...]) }
        guard
            let slash = path.indices.first(where: {
                path[$0] == "/" && path[path.index(after: $0)...].utf8.count <= 100
            }), path[..<slash].utf8.count <= 155
        else { return nil }
        return (path[..<slash], path[path.index(after: slash)...])
    }

    /// `nil` where the path does not fit.
    func encoded() -> Data? {
        guard let (prefix, name) = Self.split(path) else { return nil }
        var bytes = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: some StringProtocol, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
        }
        func octal(_ value: Int, digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(isExecutable ? "0000755" : "0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(size, digits: 11), at: 124)
        put("00000000000", at: 136)
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put("0000000", at: 329)
        put("0000000", at: 337)
        put(prefix, at: 345)
        let sum = bytes.reduce(0) { $0 + Int($1) }
        put(octal(sum, digits: 6) + "\0 ", at: 148)
        return Data(bytes)
    }

    /// Reads what the header says, then insists that it is exactly how we would have written that.
    init(decoding block: Data) throws(BundleRefusal) {
        let bytes = Array(block)
        func text(_ range: Range<Int>) throws(BundleRefusal) -> String {
            let field = bytes[range].prefix { $0 != 0 }
            guard let text = String(validating: field, as: UTF8.self) else { throw Self.refusal("a name that is no UTF-8") }
            return text
        }
        switch bytes[156] {
        case UInt8(ascii: "0"): break
        case UInt8(ascii: "1"), UInt8(ascii: "2"): throw Self.refusal("a link")
        case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): throw Self.refusal("a device or pipe")
        case UInt8(ascii: "5"): throw Self.refusal("a folder entry")
        case UInt8(ascii: "S"): throw Self.refusal("a sparse file")
        case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
            throw Self.refusal("an extended header")
        default: throw Self.refusal("an entry of an unknown kind")
        }
        let name = try text(0..<100)
        let prefix = try text(345..<500)
        path = prefix.isEmpty ? name : "\(prefix)/\(name)"
        if let fault = BundlePath.fault(in: path) { throw Self.refusal("a file whose path \(fault)") }
        guard let size = Int(try text(124..<136), radix: 8), size >= 0 else { throw Self.refusal("an unreadable size") }
        guard size <= BundleLimits.fileBytes else {
            throw BundleRefusal(.tooLarge, "the file '\(path)' in the bundle is larger than 16 MiB")
        }
        self.size = size
        isExecutable = try text(100..<108) == "0000755"
        guard encoded() == block else { throw Self.refusal("a header for '\(path)' that is not in canonical form") }
    }

    init(path: String, size: Int, isExecutable: Bool) {
        self.path = path
        self.size = size
        self.isExecutable = isExecutable
    }

    private static func refusal(_ what: String) -> BundleRefusal {
        BundleRefusal(.malformed, "the bundle's file layer holds \(what); build the bundle with `flowforge bundle build`")
    }
}
