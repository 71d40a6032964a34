import Crypto
import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// One blob on its way into the registry: written to a file of its own while it is hashed, and
/// given its place only when it is whole, durable and what its digest says.
actor BlobUpload {
    /// Where the bytes go until then.
    private let file: URL
    private let largest: Int64
    private let descriptor: Int32
    private var hash = SHA256()
    private var bytes: Int64 = 0
    private var isOpen = true

    private let queue = BlockingQueue("flowforge.blob-upload")
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Throws ``APIError`` `storage_full`, or ``FileFault``.
    init(to file: URL, largest: Int64) throws {
        self.file = file
        self.largest = largest
        descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileFault.current("create", file) }
    }

    /// Throws ``APIError`` `too_large` or `storage_full`; the caller then calls ``discard()``.
    func append(_ chunk: some Collection<UInt8> & Sendable) throws {
        bytes += Int64(chunk.count)
        guard bytes <= largest else {
            throw APIError(
                .tooLarge, "the blob is larger than \(largest >> 20) MiB",
                hint: "keep data out of the bundle; it carries code and configuration only")
        }
        let written: Void? = try chunk.withContiguousStorageIfAvailable { try write(UnsafeRawBufferPointer($0)) }
        if written == nil { try Array(chunk).withUnsafeBytes { try write($0) } }
    }

    private func write(_ buffer: UnsafeRawBufferPointer) throws {
        hash.update(bufferPointer: buffer)
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileFault.current("write", file)
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Moves the blob to `place`; from then on it survives a power cut. Throws ``APIError``
    /// `digest_mismatch` when the bytes are not those of `digest`.
    func finish(as digest: String, at place: URL) throws {
        let found = "sha256:" + hash.finalize().map { String(UInt8($0 >> 4), radix: 16) + String($0 & 15, radix: 16) }.joined()
        guard found == digest else {
            throw APIError(
                .digestMismatch, "the \(bytes) bytes received have the digest \(found), not \(digest)",
                hint: "the upload was cut or changed on the way; send it again",
                metadata: ["expected": digest, "found": found])
        }
        guard fsync(descriptor) == 0 else { throw FileFault.current("sync", file) }
        close()
        guard rename(file.path, place.path) == 0 else { throw FileFault.current("move into place", file) }
        try DurableFile.syncFolder(place.deletingLastPathComponent())
    }

    /// Removes what was written; does nothing after a successful ``finish(as:at:)``.
    func discard() {
        close()
        // Nothing else knows this name; what cannot be removed now is removed when the registry opens.
        unlink(file.path)
    }

    private func close() {
        guard isOpen else { return }
        isOpen = false
        Foundation.close(descriptor)
    }
}
