import NIOCore

/// Cuts the answers of an HTTP/1.1 server out of what arrives. It knows just what flowforged sends:
/// a status line, headers, a body with a `content-length` or in chunks (RFC 9112, section 7.1).
struct AnswerReader {
    struct Answer {
        var status: Int
        var body: ByteBuffer
        /// The server will close the connection.
        var isLast: Bool
    }

    /// The server sent something else.
    struct Unreadable: Error {}

    private var bytes: ByteBuffer?

    mutating func add(_ more: ByteBuffer) {
        guard var bytes else {
            bytes = more
            return
        }
        bytes.writeImmutableBuffer(more)
        self.bytes = bytes
    }

    /// `nil` until an answer is whole. Nothing is kept between answers: thousands of idle connections
    /// must cost little.
    mutating func next() throws -> Answer? {
        guard var rest = bytes, let head = Self.headLength(rest.readableBytesView) else { return nil }
        let (status, length, isLast) = try Self.parse(rest.readableBytesView.prefix(head))
        rest.moveReaderIndex(forwardBy: head)
        guard let body = try length.map({ rest.readSlice(length: $0) }) ?? Self.chunks(&rest) else { return nil }
        bytes = rest.readableBytes == 0 ? nil : rest
        return Answer(status: status, body: body, isLast: isLast)
    }

    /// `nil` until the last chunk is there.
    private static func chunks(_ rest: inout ByteBuffer) throws -> ByteBuffer? {
        var body = ByteBuffer()
        while true {
            guard let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            let line = rest.readableBytesView[..<end].filter { $0 != UInt8(ascii: "\r") }
            guard let length = Int(String(decoding: line, as: UTF8.self), radix: 16), length >= 0 else { throw Unreadable() }
            rest.moveReaderIndex(to: end + 1)
            guard var chunk = rest.readSlice(length: length), rest.readSlice(length: 2) != nil else { return nil }
            if length == 0 { return body }
            body.writeBuffer(&chunk)
        }
    }

    private static func headLength(_ view: ByteBufferView) -> Int? {
        var newlines = 0
        for (index, byte) in view.enumerated() {
            switch byte {
            case UInt8(ascii: "\n"): newlines += 1
            case UInt8(ascii: "\r"): break
            default: newlines = 0
            }
            if newlines == 2 { return index + 1 }
        }
        return nil
    }

    private static func parse(_ head: ByteBufferView) throws -> (status: Int, length: Int?, isLast: Bool) {
        let lines = head.split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first, let word = first.split(separator: UInt8(ascii: " ")).dropFirst().first,
            let status = Int(String(decoding: word, as: UTF8.self))
        else { throw Unreadable() }
        var length: Int? = 0
        var isLast = false
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = line[line.index(after: colon)...]
            switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
            case "content-length":
                let digits = value.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") }
                guard let number = Int(String(decoding: digits, as: UTF8.self)), number >= 0 else { throw Unreadable() }
                length = number
            case "connection": isLast = String(decoding: value, as: UTF8.self).lowercased().contains("close")
            case "transfer-encoding": length = nil
            default: break
            }
        }
        return (status, length, isLast)
    }
}
