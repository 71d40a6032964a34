import Foundation
import Glibc
import Synchronization

/// Ports for daemons of tests.
enum FreePorts {
    /// Two that nobody listens on, and that this process has not given out before.
    ///
    /// They lie outside the range from which the kernel takes the ports of those who dial: until the daemon listens, and
    /// while it is away between two of its lives, nobody gets one by chance.
    static func pair() throws -> (Int, Int) { (try next(), try next()) }

    private static let range: Range<Int> = {
        let text = (try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)) ?? ""
        let dialling = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard dialling.count == 2 else { return 10_000..<32_768 }
        return dialling[0] > 15_000 ? 10_000..<dialling[0] : min(dialling[1] + 1, 60_000)..<65_536
    }()

    /// Test processes that run at the same time begin at different places.
    private static let taken = Mutex(Int(getpid()) % 500 * 40)

    private static func next() throws -> Int {
        for _ in range {
            let port = taken.withLock { taken in
                defer { taken += 1 }
                return range.lowerBound + taken % range.count
            }
            if isFree(port) { return port }
        }
        throw NotifySocket.Failure(description: "no free port in \(range)")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
