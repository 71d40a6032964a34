import Foundation
import Glibc
import Synchronization
import Testing

/// A network namespace that one virtual cable joins to this machine: what stands at its end can be cut off.
struct Cable: Sendable {
    let namespace: String
    /// This machine, as the far end sees it.
    let host: String
    private let near: String
    private let far: String
    private let peer: String

    /// Why cables cannot be laid here; `nil` where they can.
    static let obstacle: String? = {
        if geteuid() != 0 { return "only root may make network namespaces" }
        let folders = ["/usr/sbin", "/sbin", "/usr/bin"]
        for tool in ["ip", "tc", "nft"]
        where !folders.contains(where: { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }) {
            return "'\(tool)' is missing: .ci/tools test installs it"
        }
        return nil
    }()

    private static let laid = Mutex(0)

    /// Runs `body` with a cable that is gone when it returns.
    static func laid<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: (Cable) async throws -> Result
    ) async throws -> Result {
        let cable = Cable()
        let outcome: Swift.Result<Result, any Error>
        do {
            try await cable.lay()
            outcome = .success(try await body(cable))
        } catch { outcome = .failure(error) }
        // The cable goes with its end.
        try await run(["ip", "netns", "delete", cable.namespace])
        return try outcome.get()
    }

    private init() {
        let number = Self.laid.withLock { count in
            count += 1
            return count
        }
        let name = "ff\(getpid() % 100_000)n\(number)"
        (namespace, near, far) = (name, "\(name)a", "\(name)b")
        let net = "10.\(200 + number % 50).\(getpid() % 250)"
        (host, peer) = ("\(net).1", "\(net).2")
    }

    private func lay() async throws {
        for words in [
            ["ip", "netns", "add", namespace],
            ["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace],
            ["ip", "address", "add", "\(host)/30", "dev", near], ["ip", "link", "set", near, "up"],
            within + ["ip", "address", "add", "\(peer)/30", "dev", far], within + ["ip", "link", "set", far, "up"],
            within + ["ip", "link", "set", "lo", "up"],
        ] { try await Self.run(words) }
    }

    private var within: [String] { ["ip", "netns", "exec", namespace] }

    /// Pulled out: whoever sends hears of it.
    func pull() async throws { try await Self.run(["ip", "link", "set", near, "down"]) }

    /// Swallows everything, in both directions and without a word.
    func swallow() async throws {
        try await Self.run(["tc", "qdisc", "replace", "dev", near, "root", "blackhole"])
        try await Self.run(within + ["tc", "qdisc", "replace", "dev", far, "root", "blackhole"])
    }

    /// Slow and lossy, in both directions; says by which means.
    func worsen() async throws -> String {
        let netem = ["root", "netem", "delay", "200ms", "loss", "5%"]
        if try await execute("tc", ["qdisc", "replace", "dev", near] + netem).status == 0 {
            try await Self.run(within + ["tc", "qdisc", "replace", "dev", far] + netem)
            return "netem: 200 ms of delay and 5 % loss"
        }
        // A kernel without netem: a thin line, whose queue is the delay, and a filter that loses packets.
        let thin = ["root", "tbf", "rate", "256kbit", "burst", "3kb", "latency", "300ms"]
        try await Self.run(["tc", "qdisc", "replace", "dev", near] + thin)
        try await Self.run(within + ["tc", "qdisc", "replace", "dev", far] + thin)
        let filter = """
            add table inet lossy
            add chain inet lossy out { type filter hook output priority 0; }
            add chain inet lossy in { type filter hook input priority 0; }
            add rule inet lossy out numgen random mod 100 < 5 drop
            add rule inet lossy in numgen random mod 100 < 5 drop
            """
        try await Self.run(within + ["nft", filter])
        return "256 kbit/s, up to 300 ms of queue and 5 % loss (this kernel has no netem)"
    }

    /// As new.
    func mend() async throws {
        try await Self.run(["ip", "link", "set", near, "up"])
        // There may be none to delete.
        _ = try await execute("tc", ["qdisc", "delete", "dev", near, "root"])
        _ = try await execute("ip", Array(within.dropFirst()) + ["tc", "qdisc", "delete", "dev", far, "root"])
        _ = try await execute("ip", Array(within.dropFirst()) + ["nft", "delete", "table", "inet", "lossy"])
    }

    private static func run(_ words: [String]) async throws {
        let result = try await execute(words[0], Array(words.dropFirst()))
        try #require(result.status == 0, "\(words.joined(separator: " ")): \(result)")
    }
}
