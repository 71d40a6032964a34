import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

/// What the loop and the sender do together about reports that are not taken.
@Suite(.timeLimit(.minutes(1))) struct LoopReportTests {
    private typealias Stage = LoopTests.Stage

    @Test func `reports survive a control plane that is away, in order and once`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder) { _, reporting in
                for step in 1...30 { try await reporting.progress(.init(step: step, steps: 30, label: "x")) }
            }
            stage.plane.state.withLock {
                $0.reportErrors = [.timedOut, .unreachable("x"), .refused(APIError(.busy, "x"), status: 503)]
            }
            try await stage.running {
                stage.assign(stage.assignment())
                try await eventually { stage.plane.ends.count == 1 }
            }
            #expect(stage.plane.events.map(\.number) == Array(1...Int64(stage.plane.events.count)))
            #expect(try await stage.spool.unacknowledged() == 0)
        }
    }

    @Test func `a control plane that lacks earlier reports gets them under a new numbering`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: LoopTests.forever)
            for step in 1...3 { try await stage.spool.append(SpoolTests.progress("\(step)")) }
            stage.plane.state.withLock {
                $0.reportErrors = [.refused(APIError(.conflict, "gap", metadata: ["expected": "9"]), status: 409)]
            }
            try await stage.running { try await eventually { stage.plane.events.count == 3 } }
            #expect(stage.plane.events.map(\.number) == [1, 2, 3])
        }
    }

    @Test func `an event that is refused for good is set aside, and the rest goes on`() async throws {
        try await withTemporaryFolder { folder in
            let stage = try Stage(folder, task: LoopTests.forever)
            for step in 1...3 { try await stage.spool.append(SpoolTests.progress("\(step)")) }
            let bad = LinkError.refused(APIError(.invalidRequest, "bad"), status: 400)
            stage.plane.state.withLock { $0.reportErrors = [bad, bad] }
            try await stage.running { try await eventually { stage.plane.events.count == 3 } }
            if case .dropped? = stage.plane.events.first?.body {} else { Issue.record("the first event was sent") }
        }
    }

    @Test func `while the disk is full a new numbering waits, and begins when there is room`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let said = Said()
                let stage = try Stage(folder, said: said, task: LoopTests.forever)
                for step in 1...3 { try await stage.spool.append(SpoolTests.progress("\(step)")) }
                let old = stage.spool.disk.withLock { $0.spool }
                let filler = try fill(folder)
                let gap = LinkError.refused(APIError(.conflict, "gap", metadata: ["expected": "9"]), status: 409)
                stage.plane.state.withLock { $0.reportErrors = Array(repeating: gap, count: 1000) }
                try await stage.running {
                    try await eventually { said.count("report not sent") > 2 }
                    #expect(said.contains("No space left on device"))
                    let names = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "spool").path)
                    #expect(names.filter { !$0.hasPrefix(".new-") } == [old.description])
                    unlink(filler.path)
                    try await eventually { stage.spool.disk.withLock { $0.spool } != old }
                    stage.plane.state.withLock { $0.reportErrors = [] }
                    try await eventually { stage.plane.events.count == 3 }
                }
                #expect(stage.plane.events.map(\.number) == [1, 2, 3])
            }
        }
    }

    @Test func `while the disk is full an event that is refused waits, and is set aside when there is room`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 1024) {
                let said = Said()
                let stage = try Stage(folder, said: said, task: LoopTests.forever)
                for step in 1...3 { try await stage.spool.append(SpoolTests.progress("\(step)")) }
                let filler = try fill(folder)
                let bad = LinkError.refused(APIError(.invalidRequest, "bad"), status: 400)
                stage.plane.state.withLock { $0.reportErrors = Array(repeating: bad, count: 1000) }
                try await stage.running {
                    try await eventually { said.count("report not sent") > 2 }
                    unlink(filler.path)
                    try await eventually { said.contains("it was set aside") }
                    stage.plane.state.withLock { $0.reportErrors = [] }
                    try await eventually { stage.plane.events.count == 3 }
                }
                if case .dropped? = stage.plane.events.first?.body {} else { Issue.record("the first event was sent") }
            }
        }
    }

    @Test func `a record that is damaged while the agent runs is counted as lost, and the rest is sent`() async throws {
        try await withTemporaryFolder { folder in
            let said = Said()
            let stage = try Stage(folder, said: said, task: LoopTests.forever)
            for step in 1...3 { try await stage.spool.append(SpoolTests.progress("event \(step)")) }
            try damage("event 2", in: stage.spool.disk.withLock { $0.segments[0].file })
            try await stage.running { try await eventually { stage.plane.events.count == 3 } }
            #expect(stage.plane.events.map(\.number) == [1, 2, 3])
            if case .dropped? = stage.plane.events.dropFirst().first?.body {} else { Issue.record("the loss is not said") }
            #expect(said.contains("spool repaired") && said.contains("2 of 3 events"))
        }
    }
}

/// Takes what is left of the disk that `folder` is on.
func fill(_ folder: URL) throws -> URL {
    let filler = folder.appending(path: "filler")
    let descriptor = open(filler.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    let block = [UInt8](repeating: 1, count: 4096)
    while write(descriptor, block, block.count) > 0 {}
    try #require(errno == ENOSPC)
    return filler
}

/// Changes one byte of `text` in a file.
func damage(_ text: String, in file: URL) throws {
    var bytes = try Data(contentsOf: file)
    let place = try #require(bytes.range(of: Data(text.utf8)))
    bytes[place.lowerBound] ^= 0x20
    try bytes.write(to: file)
}
