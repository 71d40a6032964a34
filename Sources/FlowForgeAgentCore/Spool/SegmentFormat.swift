import FlowForgeProtocol
import Foundation

/// The bytes of a spool segment, integers little-endian:
///
///     header   "FFSP" · u32 version · u64 first number · 16 bytes spool id (UUID) · u32 CRC of those 32
///     record   u32 length · u32 CRC of the payload · payload: one ReportEvent in JSON
///
/// Records follow each other without gaps and are numbered from the header's first number on.
enum SegmentFormat {
    static let headerSize = 36
    static let frameSize = 8
    /// Below a report body's limit with room for the batch around it.
    static let largestPayload = 2 << 20
    private static let magic = Array("FFSP".utf8)
    private static let version: UInt32 = 1

    struct Header: Equatable {
        var spool: ID<Spool>
        var first: Int64
    }

    static func header(_ header: Header) -> Data {
        var bytes = Data(magic)
        append(version, to: &bytes)
        append(UInt64(header.first), to: &bytes)
        withUnsafeBytes(of: header.spool.uuid.uuid) { bytes.append(contentsOf: $0) }
        append(bytes.withUnsafeBytes { Checksum.crc32($0) }, to: &bytes)
        return bytes
    }

    /// `nil` unless the bytes begin with a whole, unbroken header.
    static func header(of bytes: Data) -> Header? {
        guard bytes.count >= headerSize else { return nil }
        return bytes.withUnsafeBytes { raw -> Header? in
            let head = UnsafeRawBufferPointer(rebasing: raw[0..<32])
            guard Checksum.crc32(head) == word(raw, at: 32), head.starts(with: magic), word(raw, at: 4) == version else {
                return nil
            }
            let first = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let uuid = UUID(uuid: raw.loadUnaligned(fromByteOffset: 16, as: uuid_t.self))
            return Int64(exactly: first).map { Header(spool: ID(uuid: uuid), first: $0) }
        }
    }

    static func frame(_ payload: Data) -> Data {
        var bytes = Data(capacity: frameSize + payload.count)
        append(UInt32(payload.count), to: &bytes)
        append(payload.withUnsafeBytes { Checksum.crc32($0) }, to: &bytes)
        bytes.append(payload)
        return bytes
    }

    /// The payload's range of the whole, unbroken record at `offset`; `nil` where there is none.
    static func record(in bytes: UnsafeRawBufferPointer, at offset: Int) -> Range<Int>? {
        guard offset + frameSize <= bytes.count else { return nil }
        let length = Int(word(bytes, at: offset))
        let start = offset + frameSize
        guard length > 1, length <= largestPayload, start + length <= bytes.count,
            // Cheap first: a search for the next record after a broken one tries every offset.
            bytes[start] == UInt8(ascii: "{"), bytes[start + length - 1] == UInt8(ascii: "}"),
            Checksum.crc32(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])) == word(bytes, at: offset + 4)
        else { return nil }
        return start..<start + length
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout Data) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}

/// What was found in a segment's bytes, or in those from a record's begin on.
struct SegmentScan {
    /// Payloads of whole records before the first fault.
    var records: [Range<Int>] = []
    /// Where the first broken byte is; `nil` when the segment is sound to its end.
    var fault: Int?
    /// Payloads of whole records behind the fault: with any, the fault is no torn tail.
    var beyond: [Range<Int>] = []

    init(_ bytes: Data, from start: Int = SegmentFormat.headerSize) {
        bytes.withUnsafeBytes { raw in
            var offset = start
            while offset < raw.count {
                guard let record = SegmentFormat.record(in: raw, at: offset) else { break }
                records.append(record)
                offset = record.upperBound
            }
            guard offset < raw.count else { return }
            fault = offset
            while offset < raw.count {
                if let record = SegmentFormat.record(in: raw, at: offset) {
                    beyond.append(record)
                    offset = record.upperBound
                } else {
                    offset += 1
                }
            }
        }
    }
}
