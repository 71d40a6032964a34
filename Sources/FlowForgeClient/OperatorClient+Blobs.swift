import AsyncHTTPClient
import FlowForgeProtocol
public import Foundation
import NIOCore
import NIOHTTP1

/// What an upload reads from. A file is streamed, never held in memory whole.
public enum BlobSource: Sendable {
    case bytes(Data)
    case file(URL)
}

extension OperatorClient {
    /// Bytes of one upload that the connection has taken, and of how many.
    public typealias UploadProgress = @Sendable (_ sent: Int64, _ total: Int64) -> Void

    public func hasBlob(_ digest: String) async throws -> Bool {
        do {
            _ = try await send(request(.HEAD, "/blobs/\(Self.escape(digest))"), within: timeout)
            return true
        } catch let error as APIError where error.code == .notFound {
            return false
        }
    }

    /// A blob of at most `largest` bytes, whose digest the caller has yet to check.
    public func blob(_ digest: String, largest: Int) async throws -> Data {
        let request = request(.GET, "/blobs/\(Self.escape(digest))")
        // 64 KiB/s is the slowest line that is put up with.
        let answer = try await send(request, within: timeout + .seconds(largest >> 16), largest: largest)
        return Data(answer.body.readableBytesView)
    }

    /// Stores a blob unless the control plane has it; returns whether it was sent.
    ///
    /// The control plane refuses content that does not have this digest (`digest_mismatch`). Safe to
    /// repeat after a failure.
    @discardableResult
    public func putBlob(_ digest: String, from source: BlobSource, progress: UploadProgress? = nil) async throws -> Bool {
        if try await hasBlob(digest) { return false }
        let upload = try Upload(source, progress: progress)
        var request = request(.PUT, "/blobs/\(Self.escape(digest))")
        request.headers.replaceOrAdd(name: "Content-Type", value: "application/octet-stream")
        request.body = .stream(upload, length: .known(upload.total))
        // 64 KiB/s is the slowest line that is put up with.
        _ = try await send(request, within: timeout + .seconds(upload.total >> 16))
        return true
    }
}

/// The pieces of one upload. Can be gone through once, which is all that an upload without retries does.
private struct Upload: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let source: BlobSource
    let total: Int64
    let progress: OperatorClient.UploadProgress?

    init(_ source: BlobSource, progress: OperatorClient.UploadProgress?) throws(ClientError) {
        self.source = source
        self.progress = progress
        switch source {
        case .bytes(let data): total = Int64(data.count)
        case .file(let file):
            do {
                total = Int64(try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0)
            } catch {
                throw Self.unreadable(file)
            }
        }
    }

    static func unreadable(_ file: URL) -> ClientError {
        ClientError(.unreadableFile, "\(file.path) cannot be read", hint: "check that it exists and may be read")
    }

    func makeAsyncIterator() -> Iterator { Iterator(upload: self) }

    struct Iterator: AsyncIteratorProtocol {
        static let piece = 256 << 10
        let upload: Upload
        var sent: Int64 = 0
        var handle: FileHandle?

        init(upload: Upload) { self.upload = upload }

        mutating func next() async throws -> ByteBuffer? {
            guard sent < upload.total else { return nil }
            let buffer: ByteBuffer
            switch upload.source {
            case .bytes(let data):
                buffer = ByteBuffer(bytes: data.dropFirst(Int(sent)).prefix(Self.piece))
            case .file(let file):
                do {
                    if handle == nil { handle = try FileHandle(forReadingFrom: file) }
                    buffer = ByteBuffer(bytes: try handle?.read(upToCount: Self.piece) ?? Foundation.Data())
                } catch {
                    throw Upload.unreadable(file)
                }
            }
            // A file that shrank meanwhile ends early, which the content length then reports.
            guard buffer.readableBytes > 0 else { return nil }
            sent += Int64(buffer.readableBytes)
            upload.progress?(sent, upload.total)
            return buffer
        }
    }
}
