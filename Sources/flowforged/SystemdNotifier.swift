import FlowForgeServer
import FlowForgeStore
import Foundation
import Logging
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// Tells systemd (sd_notify(3)) that the listeners listen, that the daemon stops, and, while the
/// database takes writes, that it is alive. Does nothing without NOTIFY_SOCKET.
struct SystemdNotifier: Service {
    let controlPlane: ControlPlane
    let logger: Logger

    func run() async throws {
        let ports = (try await controlPlane.agentPort, try await controlPlane.operatorPort)
        logger.info(
            "ready", metadata: ["agent_port": "\(ports.0)", "operator_port": "\(ports.1)", "ca": "\(controlPlane.caFingerprint)"])
        send("READY=1\nSTATUS=agents on port \(ports.0), operators on port \(ports.1)")
        await cancelWhenGracefulShutdown { await beat() }
        send("STOPPING=1")
    }

    /// Half the watchdog's period, as sd_watchdog_enabled(3) advises.
    private func beat() async {
        let microseconds = ProcessInfo.processInfo.environment["WATCHDOG_USEC"].flatMap { Int64($0) }
        while !Task.isCancelled {
            do { try await Task.sleep(for: microseconds.map { .microseconds($0 / 2) } ?? .seconds(3600)) } catch { return }
            guard microseconds != nil else { continue }
            do {
                try await controlPlane.store.probe()
                send("WATCHDOG=1")
            } catch {
                logger.error("no sign of life for systemd: the database does not take writes", metadata: ["error": "\(error)"])
            }
        }
    }

    private func send(_ message: String) {
        #if canImport(Glibc)
            guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else { return }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let room = MemoryLayout.size(ofValue: address.sun_path)
            // A leading '@' means the abstract namespace, written as a zero byte.
            var bytes = Array(path.utf8)
            if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
            guard bytes.count < room else { return logger.warning("NOTIFY_SOCKET is too long") }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { return logger.warning("systemd cannot be notified: no socket") }
            defer { close(descriptor) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
            let sent = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, message, message.utf8.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, length)
                }
            }
            if sent < 0 {
                logger.warning("systemd cannot be notified", metadata: ["error": "\(String(cString: strerror(errno)))"])
            }
        #endif
    }
}
