import FlowForgeTestSupport
import Foundation
import Synchronization

/// systemd's end of the notification socket. (NIO's datagram channels do not take datagrams from an
/// unnamed socket.)
final class NotifySocket: Sendable {
    struct Failure: Error {
        let code = errno
    }

    private let descriptor: Int32
    private let path: String
    private let collected = Mutex("")

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw Failure() }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// All that was said until now, one datagram a line.
    func read() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            collected.withLock { $0 += String(decoding: buffer[..<count], as: UTF8.self) + "\n" }
        }
        return collected.withLock { $0 }
    }
}
