import FlowForgeProtocol
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

@Suite struct SpoolCrashTests {
    private static func at<Result>(_ seconds: Double, _ body: () throws -> Result) rethrows -> Result {
        let source = IDSource(
            now: { Date(timeIntervalSince1970: 1_800_000_000 + seconds) }, random: { UInt64.random(in: 0 ... .max) })
        return try IDSource.$current.withValue(source, operation: body)
    }

    /// Lets so many steps pass and none after.
    private static func tap(after steps: Int) -> DiskTap {
        let left = Mutex(steps)
        return DiskTap { _ throws(DiskError) in
            let stops = left.withLock { left in
                left -= 1
                return left < 0
            }
            guard stops else { return }
            errno = EIO
            throw DiskError("use", URL(filePath: "/crashed"))
        }
    }

    @Test(arguments: [0.0, -3600]) func `a crash at any step of a new numbering loses no event`(clockChange: Double) async throws
    {
        var steps = 0
        var isDone = false
        while !isDone {
            try await withTemporaryFolder { folder in
                let limits = SpoolLimits(maxBytes: 1 << 20, segmentBytes: 300)
                let disk = try Self.at(0) { try SpoolDisk(root: folder, limits: limits) }
                for index in 0..<6 { _ = try disk.append([SpoolTests.progress("event \(index)")]) }
                try disk.acknowledge(2)
                do {
                    try DiskTap.$current.withValue(Self.tap(after: steps)) { try Self.at(clockChange) { try disk.restart() } }
                    isDone = true
                } catch is DiskError {
                    // As if the power had gone.
                }
                let again = try Self.at(clockChange) { try SpoolDisk(root: folder, limits: limits) }
                let labels = try SpoolTests.events(again).compactMap { event -> String? in
                    if case .progress(let progress) = event.body { progress.label } else { nil }
                }
                #expect(labels.suffix(4) == ["event 2", "event 3", "event 4", "event 5"], "after \(steps) steps")
                let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                #expect(names == [again.spool.description], "after \(steps) steps")
            }
            steps += 1
        }
        #expect(steps > 8)
    }

    @Test(arguments: 1...4) func `damage while the spool is in use costs the damaged events and no number`(broken: Int)
        async throws
    {
        try await withTemporaryFolder { folder in
            let limits = SpoolLimits(maxBytes: 1 << 20, segmentBytes: 400)
            let disk = try SpoolDisk(root: folder, limits: limits)
            for index in 1...4 { _ = try disk.append([SpoolTests.progress("event \(index)")]) }
            let file = try #require(disk.segments.last { $0.first <= broken && broken < $0.next }).file
            try damage("event \(broken)", in: file)
            var numbers: [Int64] = []
            var lost: [Int64] = []
            while let (batch, body) = try disk.batch(events: 500, bytes: 1 << 20) {
                for event in try WireCoding.decode(AgentAPI.ReportRequest.self, from: body).events {
                    numbers.append(event.number)
                    if case .dropped = event.body { lost.append(event.number) }
                }
                try disk.acknowledge(batch.last)
            }
            #expect(numbers == [1, 2, 3, 4] && lost == [Int64(broken)])
            #expect(disk.takeFindings().count == 1)
            #expect(try disk.append([SpoolTests.progress("after")]) == 5)
            let again = try SpoolDisk(root: folder, limits: limits)
            #expect(again.findings.isEmpty && again.next == 6)
        }
    }

    @Test func `a new numbering takes damage for what it is`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits())
            for index in 1...4 { _ = try disk.append([SpoolTests.progress("event \(index)")]) }
            try damage("event 2", in: disk.segments[0].file)
            try disk.restart()
            let events = try SpoolTests.events(disk)
            #expect(events.map(\.number) == [1, 2, 3, 4])
            #expect(events.count { if case .dropped = $0.body { true } else { false } } == 1)
        }
    }

    @Test func `a new numbering that fails leaves nothing behind`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits(maxBytes: 1 << 20, segmentBytes: 300))
            for index in 0..<6 { _ = try disk.append([SpoolTests.progress("event \(index)")]) }
            let writes = Mutex(0)
            let tap = DiskTap { step throws(DiskError) in
                guard case .write(let file, _, _) = step else { return }
                let isFull = writes.withLock { writes in
                    writes += 1
                    return writes > 1
                }
                guard isFull else { return }
                errno = ENOSPC
                throw DiskError("write", file)
            }
            #expect(throws: DiskError.self) { try DiskTap.$current.withValue(tap) { try disk.restart() } }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [disk.spool.description])
            #expect(try SpoolTests.events(disk).count == 6)
        }
    }
}
