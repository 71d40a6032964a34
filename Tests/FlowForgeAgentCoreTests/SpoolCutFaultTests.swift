import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Synchronization
import Testing

@testable import FlowForgeAgentCore

/// SIGKILL of the agent between any two bytes that its spool writes: each file operation of a session is
/// recorded, and the spool is opened on what every prefix of them leaves, down to single bytes.
@Suite struct SpoolCutFaultTests {
    /// What must hold of the events if the process dies now.
    private struct Promise {
        /// Their `append` has returned, and nobody has said that the control plane has them.
        var kept: Set<String> = []
        /// All that were ever handed in, in order; nothing else may come out.
        var known: [String] = []
    }

    private enum Moment {
        case step(DiskStep)
        case promise(Promise)
    }

    private final class Tape: Sendable {
        private let moments = Mutex<[Moment]>([])
        func add(_ moment: Moment) { moments.withLock { $0.append(moment) } }
        var all: [Moment] { moments.withLock { $0 } }
    }

    /// Everything that a spool does in its life: batches, new segments, acknowledgements, dropped logs, an
    /// event set aside, numbering anew, and being opened again.
    private func record(in root: URL, limits: SpoolLimits) throws -> [Moment] {
        let tape = Tape()
        var promise = Promise()
        func append(_ disk: SpoolDisk, _ labels: [String]) throws {
            promise.known += labels
            tape.add(.promise(promise))
            _ = try disk.append(labels.map { $0.hasPrefix("log") ? SpoolTests.log($0) : SpoolTests.progress($0) })
            promise.kept.formUnion(labels)
            tape.add(.promise(promise))
        }
        func forget(_ labels: some Sequence<String>) {
            promise.kept.subtract(labels)
            tape.add(.promise(promise))
        }
        let tap = DiskTap(before: { step throws(DiskError) in tape.add(.step(step)) })
        try DiskTap.$current.withValue(tap) {
            var disk = try SpoolDisk(root: root, limits: limits)
            try append(disk, ["a"])
            try append(disk, ["b", "log 1", "c"])
            for number in 2...6 { try append(disk, ["log \(number)", "d\(number)"]) }
            forget(["a", "b", "log 1", "c"])
            try disk.acknowledge(4)
            // The place of the bound: older logs give way.
            for number in 7...16 { try append(disk, ["e\(number)", "log \(number)"]) }
            disk = try SpoolDisk(root: root, limits: limits)
            try append(disk, ["f"])
            let event = try #require(try SpoolTests.events(disk).first { Self.label($0) == "e9" })
            forget(["e9"])
            _ = try disk.setAside(event.number)
            try append(disk, ["g"])
            try disk.restart()
            try append(disk, ["h", "log h"])
            let all = try SpoolTests.events(disk)
            let present = Set(all.compactMap(Self.label))
            // The places of logs that were dropped are acknowledged with the rest.
            forget(all.prefix(all.count - 2).compactMap(Self.label) + promise.kept.filter { !present.contains($0) })
            try disk.acknowledge(Int64(all.count - 2))
            try append(disk, ["i"])
        }
        return tape.all
    }

    private static func label(_ event: AgentAPI.ReportEvent) -> String? {
        switch event.body {
        case .progress(let progress): progress.label
        case .log(let chunk): chunk.lines.first?.text
        default: nil
        }
    }

    @Test func `a spool that died between any two bytes keeps what it promised and invents nothing`() async throws {
        // Without a disk behind it the thousands of spools are opened in seconds.
        let memory = URL(filePath: "/dev/shm")
        let parent = FileManager.default.isWritableFile(atPath: memory.path) ? memory : FileManager.default.temporaryDirectory
        let folder = parent.appending(path: "spool-cut-\(UUID().uuidString.lowercased())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let limits = SpoolLimits(maxBytes: 4000, segmentBytes: 700)
        let root = folder.appending(path: "real")
        let moments = try record(in: root, limits: limits)
        var files = RecordedFiles(root: root)
        var promise = Promise()
        var cuts = 0
        var stones = 0
        for moment in moments {
            switch moment {
            case .promise(let next): promise = next
            case .step(let step):
                // Before the step, and within each write after each of its bytes but the last; some of them in each test run.
                var states = [files]
                if case .write(_, _, let bytes) = step {
                    states += stride(from: 1, to: bytes.count, by: FaultTally.isLong ? 1 : 13)
                        .map { files.taking(step, bytes: $0) }
                }
                for state in states {
                    let copy = folder.appending(path: "cut-\(cuts)")
                    try state.lay(in: copy)
                    stones = max(stones, try expect(promise, of: copy, limits: limits, at: "\(step), cut \(cuts)"))
                    try FileManager.default.removeItem(at: copy)
                    cuts += 1
                    // Thousands of them: others have their turn between.
                    await Task.yield()
                }
                files.take(step)
            }
        }
        FaultTally.note("spool.cut", injected: cuts, survived: cuts)
        #expect(cuts > 400 && stones > 3)
        let names = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".seg") }
        #expect(files.names(ending: ".seg") == Set(names), "the record is not what happened")
    }

    /// - Returns: how many events were dropped.
    private func expect(_ promise: Promise, of copy: URL, limits: SpoolLimits, at place: String) throws -> Int {
        let disk = try SpoolDisk(root: copy, limits: limits)
        let events = try SpoolTests.events(disk)
        let labels = events.compactMap(Self.label)
        let stones = events.count - labels.count
        try #require(events.map(\.number) == Array((events.first?.number ?? 1)..<disk.next), "numbers at \(place)")
        try #require(
            labels == promise.known.filter(Set(labels).contains), "order, repetition or invention at \(place): \(labels)")
        let missing = promise.kept.subtracting(labels)
        try #require(missing.allSatisfy { $0.hasPrefix("log") } && missing.count <= stones, "lost at \(place): \(missing)")
        try #require(disk.findings.allSatisfy { $0.contains("unfinished write") }, "\(disk.findings) at \(place)")
        let next = try disk.append([SpoolTests.progress("after")])
        let again = try SpoolDisk(root: copy, limits: limits)
        try #require(again.findings.isEmpty && again.next == next + 1, "opened again at \(place)")
        return stones
    }
}

/// The files below a folder after some steps, in memory.
private struct RecordedFiles {
    let root: String
    private var contents: [String: Data] = [:]
    private var folders: Set<String> = []

    init(root: URL) { self.root = root.path }

    func names(ending suffix: String) -> Set<String> { Set(contents.keys.filter { $0.hasSuffix(suffix) }) }

    private func name(_ file: URL) -> String { String(file.path.dropFirst(root.count).drop { $0 == "/" }) }

    /// What is there when only so many bytes of a write were written.
    func taking(_ step: DiskStep, bytes: Int) -> RecordedFiles {
        guard case .write(let file, let position, let data) = step else { return self }
        var copy = self
        copy.take(.write(file, at: position, data.prefix(bytes)))
        return copy
    }

    mutating func take(_ step: DiskStep) {
        switch step {
        case .makeFolder(let folder): folders.insert(name(folder))
        case .create(let file): contents[name(file)] = Data()
        case .write(let file, let position, let bytes):
            var content = contents[name(file)] ?? Data()
            if content.count < position { content.append(Data(count: position - content.count)) }
            content.replaceSubrange(position..<max(position, min(content.count, position + bytes.count)), with: bytes)
            contents[name(file)] = content
        case .cut(let file, let length): contents[name(file)] = (contents[name(file)] ?? Data()).prefix(length)
        case .sync, .syncFolder: break
        case .rename(let file, let place): move(name(file), to: name(place))
        case .remove(let file):
            contents[name(file)] = nil
            folders.remove(name(file))
        }
    }

    private mutating func move(_ old: String, to new: String) {
        if let content = contents.removeValue(forKey: old) { contents[new] = content }
        guard folders.remove(old) != nil else { return }
        folders.insert(new)
        for file in contents.keys where file.hasPrefix(old + "/") {
            contents[new + file.dropFirst(old.count)] = contents.removeValue(forKey: file)
        }
    }

    func lay(in folder: URL) throws {
        for name in folders.union([""]).sorted() {
            try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        for (name, content) in contents { try content.write(to: folder.appending(path: name)) }
    }
}
