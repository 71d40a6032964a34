import Foundation
import Logging
import Subprocess
import Synchronization
import Testing

@testable import FlowForgeAgentCore

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

@Suite struct SystemdTests {
    static let units = ConfigurationTests.root.appending(path: "systemd")

    func analyze(_ arguments: [String]) async throws -> (status: TerminationStatus, out: String, errors: String) {
        let result = try await Subprocess.run(
            .name("systemd-analyze"), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20))
        return (result.terminationStatus, result.standardOutput, result.standardError)
    }

    @Test(arguments: ["flowforge-agent", "flowforged"])
    func `systemd takes the unit without a word`(unit: String) async throws {
        try await withTemporaryFolder { folder in
            // The programs are not installed where the tests run, and a missing one is an error to systemd.
            let text = try String(contentsOf: Self.units.appending(path: "\(unit).service"), encoding: .utf8)
                .replacing("/usr/bin/\(unit)", with: "/usr/bin/true")
            let file = folder.appending(path: "\(unit).service")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let result = try await analyze(["verify", "--man=no", "--recursive-errors=no", file.path])
            #expect(result.status.isSuccess && result.errors.isEmpty && result.out.isEmpty, "\(result.errors)\(result.out)")
        }
    }

    @Test(arguments: ["flowforge-agent", "flowforged"])
    func `the unit's exposure is at most 2`(unit: String) async throws {
        let file = Self.units.appending(path: "\(unit).service").path
        let result = try await analyze(["security", "--offline=true", "--threshold=20", "--no-pager", file])
        let line = result.out.split(separator: "\n").last { $0.contains("exposure level") } ?? ""
        print(line)
        #expect(result.status.isSuccess, "\(line)\(result.errors)")
    }

    @Test func `the agent's unit gives a stop longer than the agent's default grace`() throws {
        let text = try String(contentsOf: Self.units.appending(path: "flowforge-agent.service"), encoding: .utf8)
        #expect(text.contains("Type=notify") && text.contains("WatchdogSec=") && text.contains("TimeoutStopSec=90"))
    }

    @Test func `systemd is told ready once and alive with each poll, on a path or an abstract socket`() async throws {
        try await withTemporaryFolder { folder in
            for name in [folder.appending(path: "notify").path, "@flowforge-test-\(UUID().uuidString)"] {
                let socket = try NotifySocket(name)
                let notifier = SystemNotifier(environment: ["NOTIFY_SOCKET": name], logger: .init(label: "test"))
                notifier.polled(isFirst: true, status: "online; 0 of 2 slots busy")
                notifier.polled(isFirst: false, status: "online; 1 of 2 slots busy")
                notifier.status("cannot reach\nREADY=1")
                #expect(socket.receive() == "READY=1\nWATCHDOG=1\nSTATUS=online; 0 of 2 slots busy")
                #expect(socket.receive() == "WATCHDOG=1\nSTATUS=online; 1 of 2 slots busy")
                #expect(socket.receive() == "STATUS=cannot reach READY=1")
            }
        }
    }
}

/// The other end of sd_notify.
private struct NotifySocket: ~Copyable {
    private let descriptor: Int32

    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array((name.hasPrefix("@") ? "\0" + name.dropFirst() : name).utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    func receive() -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
