import Foundation
public import Logging

/// Tells systemd how the agent is (sd_notify(3)); silent where `NOTIFY_SOCKET` is not set.
///
/// `READY=1` after the first successful poll and `WATCHDOG=1` after each, so an agent that can no
/// longer reach its control plane, for whatever reason of its own, is restarted.
public struct SystemNotifier: Sendable {
    private let path: String?
    private let logger: Logger

    public init(environment: [String: String], logger: Logger) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        self.logger = logger
    }

    func polled(isFirst: Bool, status: String) {
        send((isFirst ? "READY=1\n" : "") + "WATCHDOG=1\nSTATUS=\(status)")
    }

    func status(_ text: String) { send("STATUS=\(text.replacing("\n", with: " "))") }

    func stopping() { send("STOPPING=1") }

    private func send(_ message: String) {
        guard let path else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // An abstract socket is written with @ and begins with a zero byte.
        let bytes = Array((path.hasPrefix("@") ? "\0" + path.dropFirst() : path).utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // A socket whose reader is stuck must not stop the agent.
        let sent = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                message.withCString { text in
                    sendto(descriptor, text, strlen(text), Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), address, length)
                }
            }
        }
        if sent < 0 { logger.debug("systemd was not told", metadata: ["reason": "\(String(cString: strerror(errno)))"]) }
    }
}
