import FlowForgeProtocol
import Foundation
import Synchronization

@testable import FlowForgeAgentCore

/// One machine's disk under the agent's state folder. The files are real ones, in memory; what the
/// real code does to them passes here first, so that the process can die before any step, or in the
/// middle of a write, and that the power can take what was not synced.
final class SimulatedDisk: @unchecked Sendable {
    unowned let world: World
    let root: URL
    var isFull = false
    /// After so many more steps the process dies, or the power goes.
    var death: (steps: Int, takesPower: Bool)?
    var onDeath: (_ takesPower: Bool) -> Void = { _ in }
    weak var spool: EventSpool?
    /// What the spool's callers were told is on the disk.
    private var told: Told?
    private var spoolBefore: [String: Data] = [:]

    private struct Told {
        var spool: ID<Spool>
        var next: Int64
        /// What the control plane said to have; perhaps not yet known to the disk.
        var acknowledged: Int64
        /// Name and length.
        var segments: [(String, Int)]
    }

    /// Lengths up to which files are synced, of those that are not wholly.
    private var synced: [String: Int] = [:]
    /// Changes of names that no sync of their folder has followed, oldest first.
    private var names: [NameChange] = []
    private enum NameChange {
        case rename(from: String, to: String, replaced: Data?)
        case remove(String, content: Data)
        var path: String {
            switch self {
            case .rename(_, let to, _): to;
            case .remove(let path, _): path
            }
        }
    }

    init(world: World, root: URL) { (self.world, self.root) = (world, root) }

    // MARK: Steps

    func tap(for process: SimulatedProcess) -> DiskTap {
        DiskTap { [unowned self] step throws(DiskError) in
            guard process.isAlive else { throw Self.error(EIO) }
            if let death {
                self.death = death.steps > 1 ? (death.steps - 1, death.takesPower) : nil
                if death.steps <= 1 {
                    if case .write(let file, let position, let bytes) = step { writePart(bytes, to: file, at: position) }
                    world.trace.note("disk", "the process dies at \(Self.word(step))")
                    process.isAlive = false
                    onDeath(death.takesPower)
                    throw Self.error(EIO)
                }
            }
            if isFull {
                switch step {
                case .write(let file, let position, let bytes):
                    if world.loop.chance.happens(0.5) { writePart(bytes, to: file, at: position) }
                    world.count("disk.full")
                    throw Self.error(ENOSPC)
                case .create, .makeFolder:
                    world.count("disk.full")
                    throw Self.error(ENOSPC)
                default: break
                }
            }
            note(step)
        }
    }

    private static func error(_ number: Int32) -> DiskError {
        errno = number
        return DiskError("use", URL(filePath: "/simulated"))
    }

    private static func word(_ step: DiskStep) -> String {
        switch step {
        case .makeFolder(let file): "mkdir \(file.lastPathComponent)"
        case .create(let file): "create \(file.lastPathComponent)"
        case .write(let file, let position, let bytes): "write \(file.lastPathComponent) \(position)+\(bytes.count)"
        case .cut(let file, let length): "cut \(file.lastPathComponent) to \(length)"
        case .sync(let file): "sync \(file.lastPathComponent)"
        case .rename(let file, let place): "rename \(file.lastPathComponent) to \(place.lastPathComponent)"
        case .remove(let file): "remove \(file.lastPathComponent)"
        case .syncFolder(let folder): "sync folder \(folder.lastPathComponent)"
        }
    }

    private func writePart(_ bytes: Data, to file: URL, at position: Int) {
        let part = bytes.prefix(world.loop.chance.below(bytes.count + 1))
        if synced[file.path] == nil { synced[file.path] = position }
        let descriptor = open(file.path, O_WRONLY)
        guard descriptor >= 0 else { return }
        _ = part.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, part.count, off_t(position)) }
        close(descriptor)
    }

    private func note(_ step: DiskStep) {
        switch step {
        case .makeFolder: break
        case .create(let file): synced[file.path] = 0
        case .write(let file, let position, _): if synced[file.path] == nil { synced[file.path] = position }
        case .cut(let file, let length): if let now = synced[file.path] { synced[file.path] = min(now, length) }
        case .sync(let file): if world.sabotage != .doesNotSync { synced[file.path] = nil }
        case .rename(let file, let place):
            synced[place.path] = synced.removeValue(forKey: file.path)
            names.append(.rename(from: file.path, to: place.path, replaced: FileManager.default.contents(atPath: place.path)))
        case .remove(let file):
            synced[file.path] = nil
            if let content = FileManager.default.contents(atPath: file.path) {
                names.append(.remove(file.path, content: content))
            }
        case .syncFolder(let folder):
            names.removeAll { ($0.path as NSString).deletingLastPathComponent == folder.path }
        }
    }

    // MARK: Death

    func died(losingUnsynced: Bool = false) {
        spoolBefore = [:]
        if let told {
            for (name, length) in told.segments {
                let file = root.appending(path: "spool/\(told.spool)/\(name)")
                if let content = FileManager.default.contents(atPath: file.path) { spoolBefore[name] = content.prefix(length) }
            }
        }
        if losingUnsynced { losePower() }
    }

    private func losePower() {
        let kept = world.loop.chance.below(names.count + 1)
        for change in names[kept...].reversed() {
            switch change {
            case .rename(let from, let to, let replaced):
                rename(to, from)
                synced[from] = synced.removeValue(forKey: to)
                if let replaced { _ = FileManager.default.createFile(atPath: to, contents: replaced) }
            case .remove(let path, let content):
                mkdir((path as NSString).deletingLastPathComponent, 0o700)
                _ = FileManager.default.createFile(atPath: path, contents: content)
            }
        }
        names = []
        for path in synced.keys.sorted() {
            guard let content = FileManager.default.contents(atPath: path), let sure = synced[path], sure < content.count else {
                continue
            }
            let kept = sure + world.loop.chance.below(content.count - sure + 1)
            truncate(path, off_t(kept))
            // Some file systems keep the length and not what was written.
            if world.loop.chance.happens(0.3) { truncate(path, off_t(content.count)) }
        }
        synced = [:]
    }

    func heard(_ acknowledged: Int64, of spool: ID<Spool>) {
        guard let told, told.spool == spool else { return }
        self.told?.acknowledged = max(told.acknowledged, acknowledged)
    }

    /// After each operation of the spool: what it has promised.
    func remember() {
        guard let spool else { return }
        told = spool.disk.withLock { disk in
            let heard = told?.spool == disk.spool ? told?.acknowledged ?? 0 : 0
            return Told(
                spool: disk.spool, next: disk.next, acknowledged: max(heard, disk.acknowledged),
                segments: disk.segments.map { ($0.file.lastPathComponent, $0.bytes) })
        }
    }

    /// What the reopened spool must still hold.
    func check(_ spool: EventSpool, of name: String) throws {
        defer { remember() }
        guard let told else { return }
        let (id, first, next) = spool.disk.withLock { ($0.spool, $0.segments[0].first, $0.next) }
        guard id == told.spool else {
            if next - 1 < told.next - 1 - told.acknowledged {
                world.fail("\(name): its new spool holds \(next - 1) events, \(told.next - 1 - told.acknowledged) were owed")
            }
            return
        }
        if first > told.acknowledged + 1 {
            world.fail("\(name): events \(told.acknowledged + 1)..<\(first) are gone from its spool")
        }
        if next < told.next { world.fail("\(name): events \(next)..<\(told.next) were spooled and are gone") }
        if world.dropsLogs { return }
        for (segment, content) in spoolBefore.sorted(by: { $0.key < $1.key }) {
            let file = root.appending(path: "spool/\(id)/\(segment)")
            let found = FileManager.default.contents(atPath: file.path)
            // An acknowledged segment may be gone.
            if let found, found.prefix(content.count) != content { world.fail("\(name): \(segment) is not what it was") }
        }
    }

    // MARK: Thread

    /// The spool's own thread: each operation takes a moment.
    func thread(tap: DiskTap, ids: IDSource, process: SimulatedProcess, after: @escaping () -> Void) -> SpoolThread {
        let line = WorkLine(loop: world.loop, process: process) { work in
            DiskTap.$current.withValue(tap) { IDSource.$current.withValue(ids) { work() } }
            if process.isAlive { after() }
        }
        return SpoolThread(
            run: { line.add($0) },
            later: { [loop = world.loop] delay, work in loop.after(Double(delay / .nanoseconds(1)) / 1e9) { line.add(work) } })
    }
}

/// Work that is done one piece after the other.
private final class WorkLine: @unchecked Sendable {
    private let loop: EventLoop
    private let process: SimulatedProcess
    private let perform: (@Sendable () -> Void) -> Void
    private var waiting: [@Sendable () -> Void] = []
    private var isBusy = false

    init(loop: EventLoop, process: SimulatedProcess, perform: @escaping (@Sendable () -> Void) -> Void) {
        (self.loop, self.process, self.perform) = (loop, process, perform)
    }

    func add(_ work: @Sendable @escaping () -> Void) {
        waiting.append(work)
        if !isBusy { next() }
    }

    private func next() {
        isBusy = !waiting.isEmpty
        guard isBusy else { return }
        loop.after(process.isAlive ? loop.chance.seconds(0.0001...0.004) : 0) {
            if self.process.isPaused {
                self.loop.after(0.5) { self.next() }
                return
            }
            self.perform(self.waiting.removeFirst())
            self.next()
        }
    }
}
