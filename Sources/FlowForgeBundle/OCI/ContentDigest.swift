internal import Crypto
public import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// SHA-256 digests in OCI's form: `sha256:` and 64 lower-case hexadecimal digits.
public enum ContentDigest {
    public static func of(_ data: some DataProtocol) -> String { text(SHA256.hash(data: data)) }

    /// Reads the file in pieces of 1 MiB (`FileHandle` would read 4 KiB at a time). Ends early with
    /// `CancellationError`.
    public static func ofFile(at url: URL) throws -> (digest: String, bytes: Int64) {
        let file = try FileHandle(forReadingFrom: url)
        defer { try? file.close() }
        var hash = SHA256()
        var bytes: Int64 = 0
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 1)
        defer { piece.deallocate() }
        while true {
            try Task.checkCancellation()
            let count = read(file.fileDescriptor, piece.baseAddress, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DurableFile.failure("read", url) }
            if count == 0 { break }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: piece[..<count]))
            bytes += Int64(count)
        }
        return (text(hash.finalize()), bytes)
    }

    public static func isWellFormed(_ text: String) -> Bool { hexadecimal(text) != nil }

    /// The 64 digits, which are the name of the blob's file in an OCI layout. `nil` for anything
    /// that is not a well-formed digest, so a digest from the wire cannot name another file.
    public static func hexadecimal(_ text: String) -> String? {
        guard text.hasPrefix("sha256:") else { return nil }
        let digits = text.dropFirst(7)
        let isHexadecimal = digits.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        return digits.utf8.count == 64 && isHexadecimal ? String(digits) : nil
    }

    private static func text(_ digest: SHA256Digest) -> String {
        "sha256:" + digest.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
