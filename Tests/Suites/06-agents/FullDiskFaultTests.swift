import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Testing

/// The agent's own disk is full: a tmpfs of a few MiB under its state folder.
@Suite(.serialized, .enabled(if: geteuid() == 0, "only root can mount a small disk"), .timeLimit(.minutes(2)))
struct AgentFullDiskFaultTests {
    @Test func `an agent whose disk is full says so, goes on polling, and works again when there is room`() async throws {
        try await Fleet.up { fleet in
            let state = fleet.folder.appending(path: "small")
            try FileManager.default.createDirectory(at: state, withIntermediateDirectories: true)
            try #require(mount("tmpfs", state.path, "tmpfs", 0, "size=4m,mode=700") == 0, "\(String(cString: strerror(errno)))")
            defer { umount2(state.path, Int32(MNT_DETACH)) }
            let agent = try await FleetAgent.join(fleet, name: "small", state: state)
            let daemon = try await agent.start()
            let before = try await fleet.ended(try await fleet.run("quick"))
            #expect(before.state == .succeeded)
            for _ in 1...FaultTally.rounds(1, long: 5) {
                try await FaultTally.fault("agent.full_disk") {
                    let filler = state.appending(path: "filler")
                    try fill(filler)
                    let run = try await fleet.run("quick")
                    // Nothing can be said about the task, not even that it failed: its agent tries, the lease lapses or the
                    // outcome comes when there is room. The agent itself lives and polls.
                    try await until("the agent notices; it said \(daemon.said.suffix(2000))", within: .seconds(20)) {
                        ["No space left on device", "disk_full"].contains { daemon.said.contains($0) } ? true : nil
                    }
                    try #require(!daemon.hasEnded)
                    try FileManager.default.removeItem(at: filler)
                    let after = try await fleet.run("quick")
                    try #require(try await fleet.ended(after).state == .succeeded)
                    let ended = try await fleet.ended(run)
                    // It was done after all, or failed with the reason.
                    try #require(
                        ended.state == .succeeded || ended.tasks?[0].attempts.last?.error?.code == "disk_full", "\(ended)")
                }
            }
            let polled = try await fleet.client.agent(agent.id)
            #expect(polled.state == .online)
            daemon.send(SIGTERM)
            #expect(try await daemon.end() == 0)
        }
    }

    @Test func `while nobody hears it the spool stays within its bound: log lines go and are counted, outcomes stay`()
        async throws
    {
        try await Fleet.up { fleet in
            let agent = try await fleet.agent("talker", settings: "slots: 2\nspool: {max_bytes: 1MiB}")
            _ = try await agent.start()
            try await FaultTally.fault("spool.overflow") {
                var runs: [ID<Run>] = []
                for _ in 1...2 { runs.append(try await fleet.run("talking")) }
                try await fleet.trace("start", count: 2)
                try await fleet.controlPlane.kill9()
                try fleet.go()
                try await fleet.trace("end", count: 2, within: .seconds(30))
                let grown = size(of: agent.spool)
                try #require(grown > 0 && grown < 3 << 19)
                try await fleet.startControlPlane()
                for run in runs {
                    let ended = try await fleet.ended(run)
                    try #require(ended.state == .succeeded && ended.tasks?[0].attempts.count == 1, "\(ended)")
                }
                // What was lost is said in its place.
                var told = false
                for run in runs { told = try await fleet.log(run).contains { $0.contains("were lost on the agent") } || told }
                try #require(told)
            }
        }
    }

    private func fill(_ file: URL) throws {
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let block = [UInt8](repeating: 7, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        try #require(errno == ENOSPC)
    }

    /// Of the files that are there when they are looked at: the agent goes on removing some.
    private func size(of folder: URL) -> Int {
        (FileManager.default.subpaths(atPath: folder.path) ?? []).reduce(0) { total, name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: folder.appending(path: name).path)
            return total + ((attributes?[.size] as? NSNumber)?.intValue ?? 0)
        }
    }
}
