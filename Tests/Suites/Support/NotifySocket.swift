import Foundation
import Glibc

/// The service manager's side of `sd_notify`: a datagram socket on which a daemon says READY=1.
final class NotifySocket: Sendable {
    let path: String
    private let descriptor: Int32

    struct Failure: Error, CustomStringConvertible { let description: String }

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8CString)
        guard descriptor >= 0, bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure(description: "no socket at \(path)")
        }
        // Of a daemon of that name that has ended.
        unlink(path)
        withUnsafeMutableBytes(of: &address.sun_path) { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw Failure(description: "bind \(path): \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Returns when a message with `READY=1` has come; throws after 30 s without one.
    func ready() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread { [self] in
                var buffer = [UInt8](repeating: 0, count: 4096)
                while true {
                    let count = recv(descriptor, &buffer, buffer.count, 0)
                    guard count > 0 else {
                        return continuation.resume(throwing: Failure(description: "no READY=1 on \(path) within 30 s"))
                    }
                    if String(decoding: buffer.prefix(count), as: UTF8.self).contains("READY=1") { return continuation.resume() }
                }
            }
        }
    }
}
