import FlowForgeTestSupport
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// `flowforge-launch` as a process of its own.
@Suite struct LauncherTests {
    private final class Folder: Sendable {
        let url = FileManager.default.temporaryDirectory.appending(path: "launch-\(UUID().uuidString)")
        init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(at: url) }
        var path: String { url.path(percentEncoded: false) }
    }

    private struct Ended {
        var status: Int32
        var output: String
        var errors: String
        var usage: ProcessUsage?
    }

    private func launch(_ command: [String], options: [String] = [], in folder: Folder) throws -> (
        process: Process, end: () async throws -> Ended
    ) {
        let process = Process()
        process.executableURL = try EngineBench.launcher()
        let usage = folder.url.appending(path: "usage.json")
        process.arguments = options + ["--usage", usage.path(percentEncoded: false), "--"] + command
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return (
            process,
            {
                let (text, complaint) = try await onThread {
                    let text = try output.fileHandleForReading.readToEnd() ?? Data()
                    let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
                    process.waitUntilExit()
                    return (text, complaint)
                }
                let bytes = try? Data(contentsOf: usage)
                return Ended(
                    status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
                    errors: String(decoding: complaint, as: UTF8.self),
                    usage: try bytes.map { try JSONDecoder().decode(ProcessUsage.self, from: $0) })
            }
        )
    }

    private func run(_ command: [String], options: [String] = []) async throws -> Ended {
        let folder = try Folder()
        return try await launch(command, options: options, in: folder).end()
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard kill(pid, 0) == 0 else { return false }
        // A zombie that nobody has waited for yet is dead.
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return stat.contains(") Z ") ? false : !stat.isEmpty
    }

    /// The pid that a child has written.
    private func pid(from file: String) throws -> Int32 {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        return try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// A named pipe on which a child says its pid and which it, and all that it starts, hold open:
    /// it hangs up when the last of them is gone.
    private final class Beacon: Sendable {
        let path: String
        private let descriptor: Int32

        init(in folder: Folder) throws {
            path = "\(folder.path)/beacon"
            try #require(mkfifo(path, 0o600) == 0)
            descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            try #require(descriptor >= 0)
        }

        deinit { close(descriptor) }

        private func hears(_ event: Int32) async throws -> Bool {
            try await onThread { [descriptor] in
                var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                return poll(&watched, 1, 30_000) > 0 && watched.revents & Int16(event) != 0
            }
        }

        func pid() async throws -> Int32 {
            try #require(try await hears(POLLIN))
            var bytes = [UInt8](repeating: 0, count: 32)
            let count = read(descriptor, &bytes, bytes.count)
            return try #require(
                Int32(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self).trimmingCharacters(in: .newlines)))
        }

        /// Whether the last holder is gone, within 30 s.
        func hangsUp() async throws -> Bool { try await hears(POLLHUP) }
    }

    @Test(
        arguments: [
            (["/bin/true"], 0), (["/bin/sh", "-c", "exit 7"], 7), (["/bin/sh", "-c", "kill -9 $$"], 137),
            (["/no/such/program"], 127), (["/etc/passwd"], 126),
        ] as [([String], Int32)])
    func `the command's end is the launcher's`(command: [String], status: Int32) async throws {
        let ended = try await run(command)
        #expect(ended.status == status)
        #expect(ended.usage != nil)
        if status == 127 {
            #expect(ended.errors == "flowforge-launch: cannot run '/no/such/program': No such file or directory\n")
        }
    }

    @Test func `wrong options are refused with the reason`() async throws {
        #expect(try await run(["true"], options: ["--as", "many"]).errors.contains("--as needs a number"))
        #expect(try await run(["true"], options: ["--what", "1"]).status == 125)
        #expect(
            try await run(["true"], options: ["--parent", "1"]).errors.contains("process 1, which asked for the command, is gone")
        )
    }

    @Test func `usage counts processor time and memory`() async throws {
        let ended = try await run(["/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
        let usage = try #require(ended.usage)
        #expect(usage.exitCode == 0)
        #expect(usage.userSeconds > 0.01)
        #expect(usage.maxResidentBytes > 500_000)
    }

    @Test func `a memory limit holds`() async throws {
        let script = "x = b'a' * (1 << 30)"
        let python = try EngineBench.tool(".tools/python/bin/python").path(percentEncoded: false)
        let ended = try await run([python, "-c", script], options: ["--as", String(500 << 20)])
        #expect(ended.status == 1)
        #expect(ended.errors.contains("MemoryError"))
    }

    @Test func `a background child that ignores SIGTERM does not outlive the command`() async throws {
        let folder = try Folder()
        let file = "\(folder.path)/pid"
        let (_, end) = try launch(
            [
                "/bin/sh", "-c",
                "trap '' TERM; (sleep 600 & echo $! > \(file); wait) & while [ ! -s \(file) ]; do :; done; exit 3",
            ], in: folder)
        let ended = try await end()
        #expect(ended.status == 3)
        #expect(!isAlive(try pid(from: file)))
    }

    @Test func `a daemon in a session of its own does not outlive the command`() async throws {
        let folder = try Folder()
        let file = "\(folder.path)/pid"
        let (_, end) = try launch(
            [
                "/bin/sh", "-c",
                "setsid sh -c 'trap \"\" TERM HUP INT; setsid sleep 600 & echo $! > \(file); exit 0' & while [ ! -s \(file) ]; do :; done; sleep 0.05; exit 0",
            ], in: folder)
        let ended = try await end()
        #expect(ended.status == 0)
        #expect(!isAlive(try pid(from: file)))
        #expect(try #require(ended.usage).leftovers >= 1)
    }

    @Test func `SIGTERM reaches the group and SIGKILL follows`() async throws {
        let folder = try Folder()
        let beacon = try Beacon(in: folder)
        let (process, end) = try launch(
            ["/bin/sh", "-c", "exec 3> \(beacon.path); trap '' TERM INT; echo $$ >&3; while :; do sleep 0.02; done"],
            options: ["--grace", "0.2"],
            in: folder)
        let child = try await beacon.pid()
        kill(process.processIdentifier, SIGTERM)
        let ended = try await end()
        #expect(ended.status == 137)
        #expect(!isAlive(child))
    }

    @Test func `SIGINT comes first where it is asked for`() async throws {
        let folder = try Folder()
        let beacon = try Beacon(in: folder)
        let (process, end) = try launch(
            ["/bin/sh", "-c", "exec 3> \(beacon.path); trap 'exit 42' INT; echo $$ >&3; while :; do sleep 0.02; done"], in: folder
        )
        _ = try await beacon.pid()
        kill(process.processIdentifier, SIGINT)
        #expect(try await end().status == 42)
    }

    @Test func `when the process that asked dies the whole tree dies`() async throws {
        let folder = try Folder()
        let beacon = try Beacon(in: folder)
        let launcher = try EngineBench.launcher().path(percentEncoded: false)
        let asking = Process()
        asking.executableURL = URL(filePath: "/bin/sh")
        asking.arguments = [
            "-c",
            "\(launcher) --parent $$ --usage \(folder.path)/usage.json -- /bin/sh -c 'exec 3> \(beacon.path); trap \"\" TERM; setsid sleep 600 & echo $! >&3; wait' & wait",
        ]
        try asking.run()
        let grandchild = try await beacon.pid()
        #expect(isAlive(grandchild))
        kill(asking.processIdentifier, SIGKILL)
        try await onThread { asking.waitUntilExit() }
        #expect(try await beacon.hangsUp())
    }

    @Test func `a killed launcher takes the command with it`() async throws {
        let folder = try Folder()
        let beacon = try Beacon(in: folder)
        let (process, end) = try launch(["/bin/sh", "-c", "exec 3> \(beacon.path); echo $$ >&3; exec sleep 600"], in: folder)
        let child = try await beacon.pid()
        kill(process.processIdentifier, SIGKILL)
        let isGone = try await beacon.hangsUp()
        // A survivor would keep the output open for ever.
        if !isGone { kill(child, SIGKILL) }
        _ = try await end()
        #expect(isGone)
    }
}
