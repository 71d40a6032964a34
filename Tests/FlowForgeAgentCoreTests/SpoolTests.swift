import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite struct SpoolTests {
    static func log(_ text: String) -> EventDraft {
        EventDraft(
            at: Date(timeIntervalSince1970: 1), attempt: .make(),
            body: .log(.init(offset: 0, lines: [.init(at: .now, stream: .stdout, text: text)])))
    }
    static func progress(_ label: String) -> EventDraft {
        EventDraft(at: Date(timeIntervalSince1970: 1), body: .progress(.init(step: 1, steps: 1, label: label)))
    }
    static func finished() -> EventDraft {
        EventDraft(at: .now, body: .finished(.init(outcome: .failed, metrics: TaskMetrics())))
    }

    /// Every event that the spool would send.
    static func events(_ disk: SpoolDisk) throws -> [AgentAPI.ReportEvent] {
        guard let (_, body) = try disk.batch(events: .max, bytes: .max) else { return [] }
        return try WireCoding.decode(AgentAPI.ReportRequest.self, from: body).events
    }
    static func segmentFiles(_ disk: SpoolDisk) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: disk.folder.path).filter { $0.hasSuffix(".seg") }.sorted()
    }

    @Test func `events come back after a restart in order, numbered from one`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits())
            #expect(try disk.append([Self.progress("a"), Self.log("b")]) == 1)
            #expect(try disk.append([Self.progress("c")]) == 3)
            let again = try SpoolDisk(root: folder, limits: SpoolLimits())
            #expect(again.spool == disk.spool && again.findings.isEmpty)
            #expect(try Self.events(again).map(\.number) == [1, 2, 3])
            #expect(try again.append([Self.progress("d")]) == 4)
        }
    }

    @Test func `a spool that was cut at any byte of its last record opens without that record`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder.appending(path: "whole"), limits: SpoolLimits())
            for label in ["a", "b"] { _ = try disk.append([Self.progress(label)]) }
            let whole = try Data(contentsOf: disk.segments[0].file).count
            _ = try disk.append([Self.progress("last")])
            let bytes = try Data(contentsOf: disk.segments[0].file)
            for length in whole..<bytes.count {
                let root = folder.appending(path: "\(length)")
                let spool = root.appending(path: disk.spool.description)
                try FileManager.default.createDirectory(at: spool, withIntermediateDirectories: true)
                try bytes.prefix(length).write(to: spool.appending(path: disk.segments[0].file.lastPathComponent))
                let cut = try SpoolDisk(root: root, limits: SpoolLimits())
                #expect(try Self.events(cut).map(\.number) == [1, 2])
                #expect(cut.findings.count == (length == whole ? 0 : 1))
                #expect(try cut.append([Self.progress("new")]) == 3)
                let after = try SpoolDisk(root: root, limits: SpoolLimits())
                #expect(after.findings.isEmpty)
                #expect(try Self.events(after).map(\.number) == [1, 2, 3])
            }
        }
    }

    @Test func `any broken byte loses at most its own record, and numbers stay gap-free`() async throws {
        try await withTemporaryFolder { folder in
            let limits = SpoolLimits(maxBytes: 1 << 20, segmentBytes: 600)
            let disk = try SpoolDisk(root: folder.appending(path: "whole"), limits: limits)
            for index in 0..<12 { _ = try disk.append([Self.progress("event \(index)")]) }
            #expect(disk.segments.count >= 3)
            let file = disk.segments[1].file
            let bytes = try Data(contentsOf: file)
            for position in bytes.indices {
                let root = folder.appending(path: "\(position)")
                try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
                try FileManager.default.copyItem(at: disk.folder, to: root.appending(path: disk.spool.description))
                var broken = bytes
                broken[position] ^= 0x5A
                let target = root.appending(path: disk.spool.description).appending(path: file.lastPathComponent)
                try broken.write(to: target)
                let repaired = try SpoolDisk(root: root, limits: limits)
                let events = try Self.events(repaired)
                #expect(events.map(\.number) == Array(1...12))
                let lost = events.count { if case .dropped = $0.body { true } else { false } }
                #expect(lost <= 1)
                #expect(repaired.findings.count == 1)
                #expect(try Data(contentsOf: URL(filePath: target.path + ".corrupt")) == broken)
                #expect(try repaired.append([Self.progress("new")]) == 13)
                try FileManager.default.removeItem(at: root)
            }
        }
    }

    @Test func `garbage of any kind never stops a spool from opening`() async throws {
        try await withTemporaryFolder { folder in
            var generator = SystemRandomNumberGenerator()
            for round in 0..<60 {
                let root = folder.appending(path: "\(round)")
                let disk = try SpoolDisk(root: root, limits: SpoolLimits(maxBytes: 1 << 20, segmentBytes: 500))
                for index in 0..<8 { _ = try disk.append([Self.progress("event \(index)")]) }
                for name in try Self.segmentFiles(disk) where Bool.random(using: &generator) {
                    let file = disk.folder.appending(path: name)
                    var bytes = try Data(contentsOf: file)
                    for _ in 0..<Int.random(in: 1...20, using: &generator) {
                        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
                    }
                    bytes = bytes.prefix(Int.random(in: 0...bytes.count, using: &generator))
                    try bytes.write(to: file)
                }
                let opened = try SpoolDisk(root: root, limits: SpoolLimits())
                let numbers = try Self.events(opened).map(\.number)
                #expect(numbers == Array(1..<1 + Int64(numbers.count)))
                let next = try opened.append([Self.progress("new")])
                #expect(next == Int64(numbers.count) + 1)
            }
        }
    }

    @Test func `acknowledged events go by whole segments`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits(maxBytes: 1 << 20, segmentBytes: 500))
            for index in 0..<12 { _ = try disk.append([Self.progress("event \(index)")]) }
            let before = disk.segments.count
            try disk.acknowledge(disk.segments[1].next - 1)
            #expect(disk.segments.count == before - 2)
            #expect(try Self.segmentFiles(disk).count == before - 2)
            #expect(try Self.events(disk).first?.number == disk.segments[0].first)
            try disk.acknowledge(12)
            #expect(try Self.events(disk).isEmpty)
            let again = try SpoolDisk(root: folder, limits: SpoolLimits())
            #expect(try again.append([Self.progress("new")]) == 13)
        }
    }

    @Test func `a full spool drops the oldest log lines alone, and counts each`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits(maxBytes: 20_000, segmentBytes: 2000))
            let text = String(repeating: "x", count: 300)
            for index in 0..<200 {
                _ = try disk.append([index % 10 == 0 ? Self.finished() : Self.log("\(index) \(text)")])
            }
            let events = try Self.events(disk)
            #expect(events.map(\.number) == Array(1...200))
            var (finished, dropped, firstLog) = (0, Int64(0), Int64.max)
            for event in events {
                switch event.body {
                case .finished: finished += 1
                case .dropped(let lost): dropped += lost.events
                case .log: firstLog = min(firstLog, event.number)
                default: Issue.record("unexpected event")
                }
            }
            #expect(finished == 20)
            #expect(dropped > 50 && firstLog > 50)
            let logs = events.count { if case .log = $0.body { true } else { false } }
            #expect(Int64(logs) + dropped == 180)
            let again = try SpoolDisk(root: folder, limits: SpoolLimits())
            #expect(again.findings.isEmpty)
            #expect(try Self.events(again).count == 200)
        }
    }

    @Test func `a spool of another numbering takes over what was not acknowledged`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits(maxBytes: 1 << 20, segmentBytes: 500))
            for index in 0..<10 { _ = try disk.append([Self.progress("event \(index)")]) }
            try disk.acknowledge(4)
            let old = disk.spool
            try disk.restart()
            #expect(disk.spool != old)
            let events = try Self.events(disk)
            #expect(events.map(\.number) == Array(1...6))
            if case .progress(let first) = events[0].body { #expect(first.label == "event 4") }
            #expect(try disk.append([Self.progress("new")]) == 7)
            let again = try SpoolDisk(root: folder, limits: SpoolLimits())
            #expect(again.spool == disk.spool && again.findings.isEmpty)
            #expect(try Self.events(again).count == 7)
        }
    }

    @Test func `a refused event is kept as a file and makes room for those behind it`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits())
            for label in ["a", "poison", "c"] { _ = try disk.append([Self.progress(label)]) }
            let place = try disk.setAside(2)
            #expect(try String(contentsOf: place, encoding: .utf8).contains("poison"))
            let events = try Self.events(disk)
            #expect(events.map(\.number) == [1, 2, 3])
            if case .dropped = events[1].body {} else { Issue.record("event 2 is still there") }
        }
    }

    @Test func `a full disk is an error of the append at hand and of nothing else`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 256) {
                let spool = try EventSpool(folder: folder.appending(path: "spool"))
                var written: Int64 = 0
                let error = await #expect(throws: SpoolError.self) {
                    while true { written = try await spool.append(Self.log(String(repeating: "x", count: 8000))) }
                }
                #expect(error?.isFull == true)
                #expect(written > 10)
                // Room again: it goes on without a gap, and what is on the disk is sound.
                _ = try await spool.acknowledge(written / 2)
                let filler = folder.appending(path: "filler")
                #expect(!FileManager.default.fileExists(atPath: filler.path))
                #expect(try await spool.append(Self.progress("small")) == written + 1)
                let again = try SpoolDisk(root: folder.appending(path: "spool"), limits: SpoolLimits())
                #expect(again.next == written + 2)
            }
        }
    }

    @Test func `a batch goes on where the last one ended, whatever happened to the files between`() async throws {
        try await withTemporaryFolder { folder in
            let disk = try SpoolDisk(root: folder, limits: SpoolLimits(maxBytes: 24 << 10, segmentBytes: 4 << 10))
            for round in 1...60 {
                _ = try disk.append([Self.log(String(repeating: "x", count: 50 * round)), Self.progress("\(round)")])
                let again = try SpoolDisk(root: folder, limits: disk.limits)
                try again.acknowledge(disk.acknowledged)
                let (one, other) = (try disk.batch(events: 3, bytes: .max)?.body, try again.batch(events: 3, bytes: .max)?.body)
                // Each start of an agent has a name of its own; all before it is the same.
                #expect(one?.prefix { $0 != UInt8(ascii: "]") } == other?.prefix { $0 != UInt8(ascii: "]") })
                if round.isMultiple(of: 10) { _ = try disk.setAside(disk.acknowledged + 1) }
                if round.isMultiple(of: 3), let (sent, _) = try disk.batch(events: 2, bytes: .max) {
                    try disk.acknowledge(sent.last)
                }
            }
            #expect(disk.acknowledged == 40 && disk.segments.count > 2)
        }
    }

    @Test func `what could not be spooled is found when the attempt is about to end`() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder, kilobytes: 64) {
                let spool = try EventSpool(folder: folder.appending(path: "spool"))
                let held = AgentAPI.HeldLease(lease: .make(), attempt: .make(), fencing: 1)
                let reporter = SpoolReporter(spool: spool, held: held)
                try await reporter.progress(.init(step: 1, steps: 1, label: "fits"))
                await reporter.settle()
                #expect(reporter.fault == nil)
                // On a fast disk this call already says so.
                try? await reporter.progress(.init(step: 1, steps: 1, label: String(repeating: "x", count: 100_000)))
                await reporter.settle()
                #expect((reporter.fault as? SpoolError)?.isFull == true)
                #expect(try await spool.unacknowledged() == 1)
            }
        }
    }

    @Test func `writers that wait together share a sync and keep their order`() async throws {
        try await withTemporaryFolder { folder in
            let spool = try EventSpool(folder: folder)
            let numbers = try await withThrowingTaskGroup(of: [Int64].self) { group in
                for writer in 0..<20 {
                    group.addTask {
                        var numbers: [Int64] = []
                        for index in 0..<25 { numbers.append(try await spool.append(Self.progress("\(writer).\(index)"))) }
                        return numbers
                    }
                }
                return try await group.reduce(into: [[Int64]]()) { $0.append($1) }
            }
            for own in numbers { #expect(own == own.sorted()) }
            #expect(numbers.flatMap(\.self).sorted() == Array(1...500))
            #expect(try await spool.unacknowledged() == 500)
        }
    }
}

/// Runs `body` with a tiny file system mounted at `folder`.
func withSmallDisk(at folder: URL, kilobytes: Int, _ body: () async throws -> Void) async throws {
    try #require(mount("tmpfs", folder.path, "tmpfs", 0, "size=\(kilobytes)k") == 0, "mounting needs root")
    defer { umount2(folder.path, Int32(MNT_DETACH)) }
    try await body()
}
