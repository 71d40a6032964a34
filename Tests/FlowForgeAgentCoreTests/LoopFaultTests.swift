import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

/// The loop on its bad days: full disks, what the last life left, a line on which some polls fail.
@Suite(.timeLimit(.minutes(1))) struct LoopFaultTests {
    private typealias Stage = LoopTests.Stage

    @Test func `a full disk fails the task clearly and the agent goes on`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let filler = folder.appending(path: "filler")
                let stage = try Stage(folder) { work, reporting in
                    try await reporting.progress(.init(step: 1, steps: 2, label: "before"))
                    // Everything that is left.
                    let descriptor = open(filler.path, O_WRONLY | O_CREAT, 0o600)
                    let block = [UInt8](repeating: 1, count: 4096)
                    while write(descriptor, block, block.count) > 0 {}
                    close(descriptor)
                    // As much as makes the log wait for the disk.
                    let line = String(repeating: "x", count: SpoolReporter.lineBytes)
                    try await reporting.log(.stdout, Array(repeating: line, count: 5).joined(separator: "\n"))
                }
                try await stage.running {
                    stage.assign(stage.assignment())
                    try await eventually { FileManager.default.fileExists(atPath: filler.path) && stage.busy.isEmpty }
                    unlink(filler.path)
                    try await eventually { stage.plane.ends.count == 1 }
                }
                #expect(stage.plane.ends.first?.outcome == .failed)
                #expect(stage.plane.ends.first?.error?.code == "disk_full")
            }
        }
    }

    @Test func `attempts that died with the agent are reported at its next start, and their folders go`() async throws {
        try await withTemporaryFolder { folder in
            let held = AgentAPI.HeldLease(lease: .make(), attempt: .make(), fencing: 3)
            try AttemptJournal(folder: folder.appending(path: "attempts")).add(held)
            let left = folder.appending(path: "work/\(held.attempt)/deep")
            try FileManager.default.createDirectory(at: left, withIntermediateDirectories: true)
            let stage = try Stage(folder, task: LoopTests.forever)
            try await stage.running { try await eventually { stage.plane.ends.count == 1 } }
            let end = try #require(stage.plane.ends.first)
            #expect(end.outcome == .lost && end.error?.code == "agent_restarted" && end.error?.retryable == true)
            #expect(stage.plane.events.first?.lease == held.lease)
            #expect(!FileManager.default.fileExists(atPath: left.path))
            #expect(try AttemptJournal(folder: folder.appending(path: "attempts")).leftovers.isEmpty)
        }
    }

    @Test func `a journal that a crash left half written is read as far as it goes, and what is unreadable is kept`() async throws
    {
        try await withTemporaryFolder { folder in
            let folder = folder.appending(path: "attempts")
            let held = AgentAPI.HeldLease(lease: .make(), attempt: .make(), fencing: 3)
            try AttemptJournal(folder: folder).add(held)
            let half = folder.appending(path: "\(ID<Attempt>.make()).json")
            try Data("{".utf8).write(to: half)
            try Data().write(to: folder.appending(path: "\(ID<Attempt>.make()).json.new"))
            let journal = try AttemptJournal(folder: folder)
            #expect(journal.leftovers == [held])
            #expect(journal.finding?.contains(half.lastPathComponent) == true)
            try journal.remove(held.attempt)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [half.lastPathComponent + ".corrupt"])
            #expect(try AttemptJournal(folder: folder).finding == nil)
        }
    }

    @Test func `what a dead attempt left goes before anything is written, so that a disk that it filled is no trap`() async throws
    {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let held = AgentAPI.HeldLease(lease: .make(), attempt: .make(), fencing: 3)
                try AttemptJournal(folder: folder.appending(path: "attempts")).add(held)
                let workspace = folder.appending(path: "work/\(held.attempt)")
                try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
                let stage = try Stage(folder, task: LoopTests.forever)
                _ = try fill(workspace)
                try await fillPage(of: stage.spool)
                try await stage.running { try await eventually { stage.plane.ends.count == 1 } }
                #expect(stage.plane.ends.first?.outcome == .lost)
            }
        }
    }

    @Test func `an agent whose disk is full when it starts polls, and reports the dead at a later start`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let held = AgentAPI.HeldLease(lease: .make(), attempt: .make(), fencing: 3)
                try AttemptJournal(folder: folder.appending(path: "attempts")).add(held)
                try FileManager.default.createDirectory(at: folder.appending(path: "work"), withIntermediateDirectories: true)
                let stage = try Stage(folder, task: LoopTests.forever)
                let filler = try fill(folder)
                try await fillPage(of: stage.spool)
                try await stage.running { try await eventually { stage.plane.state.withLock { $0.polls.count > 1 } } }
                #expect(stage.plane.ends.isEmpty)
                unlink(filler.path)
                let again = try Stage(folder, task: LoopTests.forever)
                try await again.running { try await eventually { again.plane.ends.count == 1 } }
            }
        }
    }

    @Test func `a workspace that cannot be removed is a warning, and the agent starts`() async throws {
        try await withTemporaryFolder { folder in
            let kept = folder.appending(path: "work/\(ID<Attempt>.make())/mounted")
            let other = folder.appending(path: "work/\(ID<Attempt>.make())")
            for place in [kept, other] { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true) }
            try await withSmallDisk(at: kept, kilobytes: 16) {
                let said = Said()
                let stage = try Stage(folder, said: said, task: LoopTests.forever)
                try await stage.running { try await eventually { !stage.plane.state.withLock { $0.polls.isEmpty } } }
                #expect(said.contains("a workspace stays behind"))
                #expect(!FileManager.default.fileExists(atPath: other.path))
            }
        }
    }

    @Test func `an outcome that cannot be spooled is given up when its lease is lost`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let said = Said()
                let own = Mutex<EventSpool?>(nil)
                let stage = try Stage(folder, said: said) { _, _ in
                    _ = try fill(folder)
                    try await fillPage(of: try #require(own.withLock { $0 }))
                }
                own.withLock { $0 = stage.spool }
                let assignment = stage.assignment()
                try await stage.running {
                    stage.assign(assignment)
                    try await eventually { said.contains("the outcome cannot be spooled") }
                    #expect(stage.loop.board.leases.map(\.attempt) == [assignment.attempt] && stage.loop.board.isEmpty)
                    stage.plane.send(
                        .init(
                            serverTime: .now,
                            cancellations: [.init(attempt: assignment.attempt, lease: assignment.lease, reason: .leaseLost)]))
                    try await eventually { said.contains("the outcome was not reported; the lease is gone") }
                    #expect(stage.loop.board.leases.isEmpty)
                    // With room for it, it would come now.
                    unlink(folder.appending(path: "filler").path)
                }
                #expect(stage.plane.ends.isEmpty)
            }
        }
    }

    @Test func `polls that prolong leases and fail come later and later, beside the held poll, and a stop ends the agent`()
        async throws
    {
        try await withTemporaryFolder { folder in
            let delays = Mutex<[Double]>([])
            let backoff = Backoff(draw: { most in
                delays.withLock { $0.append(most) }
                return 0.02
            })
            let stage = try Stage(folder, grace: .milliseconds(300), backoff: backoff, task: LoopTests.forever)
            stage.plane.state.withLock { $0.prolongError = .unreachable("cut") }
            try await stage.running {
                stage.assign(stage.assignment(lease: 1))
                try await eventually { delays.withLock { $0.count } > 3 }
                #expect(delays.withLock { Array($0.prefix(4)) } == [1, 2, 4, 8])
                let held = stage.plane.state.withLock { $0.polls.filter { $0.sequence != nil } }
                // The first, the one that brought the work, and the one that is held since.
                #expect(held.count <= 3 && held.last?.waitSeconds == 25 && stage.busy.count == 1)
            }
            #expect(stage.plane.ends.map(\.outcome) == [.cancelled])
        }
    }

    @Test func `a stop is heard even just before a poll begins`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: LoopTests.forever)
            var loop = stage.loop
            let polls = Mutex(0)
            let stopping = loop
            loop.pollBegins = {
                let isSecond = polls.withLock { polls in
                    polls += 1
                    return polls == 2
                }
                if isSecond { stopping.stop() }
            }
            try await withDeadline(.seconds(15)) { [loop] in try await loop.run() }
            #expect(stage.plane.state.withLock { $0.polls.count } == 1, "the second would be held for 25 s")
        }
    }
}

/// A full disk has room in the last page of a file.
func fillPage(of spool: EventSpool) async throws {
    await #expect(throws: SpoolError.self) { while true { try await spool.append(SpoolTests.progress("x")) } }
}
