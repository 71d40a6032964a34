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
}
