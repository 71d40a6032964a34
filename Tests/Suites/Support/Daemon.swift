import Foundation
import Glibc
import Synchronization

/// A program of this build as a process that a test may kill, stop and start again. Who starts it ends it.
final class Daemon: Sendable {
    let pid: Int32
    let log: URL
    private let socket: NotifySocket
    /// The exit code, or 128 + the signal.
    private let status: Mutex<Int?> = Mutex(nil)

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// - Parameters:
    ///   - log: where its output is appended.
    ///   - prefix: a program and arguments that end by running the daemon in their own place, e.g. `ip netns exec`.
    init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], log: URL, prefix: [String] = []
    ) throws {
        self.log = log
        let words = prefix + [Checkout.programs.appending(path: program).path] + arguments
        socket = try NotifySocket(log.path + ".sock")
        var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        variables["NOTIFY_SOCKET"] = socket.path
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log.path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var spawned: pid_t = 0
        let failure = Self.withCStrings(words) { words in
            Self.withCStrings(variables.map { "\($0)=\($1)" }) { posix_spawnp(&spawned, words[0]!, &actions, nil, words, $0) }
        }
        guard failure == 0 else { throw Failure(description: "cannot run \(words): \(String(cString: strerror(failure)))") }
        let pid = spawned
        self.pid = pid
        // Not on a queue: those share as many threads as there are processors, and this one is blocked while the daemon lives.
        Thread.detachNewThread { [self] in
            var state: Int32 = 0
            while waitpid(pid, &state, 0) < 0, errno == EINTR {}
            let signal = state & 0x7F
            status.withLock { $0 = signal == 0 ? Int((state >> 8) & 0xFF) : 128 + Int(signal) }
        }
    }

    var hasEnded: Bool { status.withLock { $0 } != nil }
    var said: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// Returns when it has said READY=1.
    func ready() async throws {
        do { try await socket.ready() } catch {
            throw Failure(
                description: "\(error); status \(String(describing: status.withLock { $0 })); it said:\n\(said.suffix(3000))")
        }
    }

    func send(_ signal: Int32) {
        if !hasEnded { kill(pid, signal) }
    }

    /// Waits for its end. See ``status``.
    @discardableResult
    func end(within limit: Duration = .seconds(30)) async throws -> Int {
        try await until("process \(pid) (\(log.lastPathComponent)) ends; it said:\n\(said.suffix(2000))", within: limit) {
            status.withLock { $0 }
        }
    }

    /// SIGKILL, and the wait for it.
    func kill9() async throws {
        send(SIGKILL)
        try await end()
    }

    private static func withCStrings<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = texts.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}

/// Looks until there is something to see; for what other processes do without telling. Bounded.
@discardableResult
func until<Result>(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(20), every pause: Duration = .milliseconds(20),
    isolation: isolated (any Actor)? = #isolation, _ look: () async throws -> Result?
) async throws -> Result {
    let end = ContinuousClock.now + limit
    while true {
        let isLast = ContinuousClock.now >= end
        if let found = try await look() { return found }
        guard !isLast else { throw Daemon.Failure(description: "not within \(limit): \(what())") }
        try await Task.sleep(for: pause)
    }
}
