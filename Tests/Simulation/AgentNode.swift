import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Logging

@testable import FlowForgeAgentCore

/// One machine with an agent: what outlives the agent's process, and the process.
final class AgentNode: @unchecked Sendable {
    unowned let world: World
    let name: String
    let identity: AgentIdentity
    let slots: Int
    let folder: URL
    let disk: SimulatedDisk
    /// Of its monotonic clock.
    let clockRate: Double
    /// Of its wall clock, in seconds.
    var clockOffset: Double
    var weather = LineWeather()
    private(set) var running: Running?
    var isPaused = false

    /// The process.
    final class Running: @unchecked Sendable {
        let process: SimulatedProcess
        let spool: EventSpool
        let loop: AgentLoop
        let wire: Wire
        let task: Task<Void, Never>
        init(process: SimulatedProcess, spool: EventSpool, loop: AgentLoop, wire: Wire, task: Task<Void, Never>) {
            (self.process, self.spool, self.loop, self.wire, self.task) = (process, spool, loop, wire, task)
        }
    }

    init(world: World, number: Int, identity: AgentIdentity) {
        self.world = world
        name = "agent \(number)"
        self.identity = identity
        slots = 1 + world.loop.chance.below(3)
        folder = world.folder.appending(path: "agent-\(number)")
        disk = SimulatedDisk(world: world, root: folder)
        clockRate = 1 + (world.loop.chance.unit() - 0.5) * 4e-4
        clockOffset =
            world.loop.chance.happens(0.2) ? world.loop.chance.seconds(-3600...3600) : world.loop.chance.seconds(-0.5...0.5)
    }

    var wallClock: Date { epoch.addingTimeInterval(world.loop.seconds + clockOffset) }
    var clock: SimulatedClock { SimulatedClock(loop: world.loop, rate: clockRate) }
    var isUp: Bool { running != nil }

    func start() throws {
        guard running == nil else { return }
        world.trace.note(name, "starts")
        let process = SimulatedProcess(loop: world.loop)
        let wire = Wire(world: world, agent: self, process: process)
        let ids = world.ids { [unowned self] in self.wallClock }
        let tap = disk.tap(for: process)
        let parts: (EventSpool, AgentLoop, ReportSender)
        do {
            parts = try DiskTap.$current.withValue(tap) {
                try IDSource.$current.withValue(ids) { try assemble(process, wire, tap, ids) }
            }
        } catch  where !process.isAlive || error is DiskError || error is SpoolError {
            // It died, or could not write, while it started: its supervisor tries again.
            world.trace.note(name, "cannot start: \(error)")
            process.isAlive = false
            disk.died()
            world.loop.after(5) { [weak self] in self?.world.attempt { try self?.start() } }
            return
        }
        let (spool, loop, sender) = parts
        try disk.check(spool, of: name)
        let task = DiskTap.$current.withValue(tap) {
            IDSource.$current.withValue(ids) {
                Task(executorPreference: process) { [unowned self] in
                    do {
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            group.addTask { try await loop.run() }
                            group.addTask { try await sender.sendUntilCancelled() }
                            try await group.waitForAll()
                        }
                    } catch {
                        if process.isAlive { self.failed(error) }
                    }
                }
            }
        }
        running = Running(process: process, spool: spool, loop: loop, wire: wire, task: task)
    }

    private func assemble(
        _ process: SimulatedProcess, _ wire: Wire, _ tap: DiskTap, _ ids: IDSource
    ) throws -> (EventSpool, AgentLoop, ReportSender) {
        let logger = Logger(label: name) { _ in SwiftLogNoOpLogHandler() }
        try DiskFile.makeFolder(folder, mode: 0o700)
        let spool = try EventSpool(
            folder: folder.appending(path: "spool"), limits: world.spoolLimits,
            thread: disk.thread(tap: tap, ids: ids, process: process) { [disk] in disk.remember() })
        disk.spool = spool
        let lake = LakeFolder(root: world.lake)
        let wall: @Sendable () -> Date = { [unowned self] in self.wallClock }
        let chance = Backoff(draw: { [loop = world.loop] in loop.chance.unit() * $0 })
        let work = SimulatedWork(world: world, agent: self)
        let context = AttemptContext(
            execute: { await work.run($0, reporting: $1) }, cache: world.bundles.cache, spool: spool,
            journal: try AttemptJournal(folder: folder.appending(path: "attempts")), lake: lake,
            workspaces: folder.appending(path: "work"), logger: logger, now: wall, clock: clock, backoff: chance)
        let loop = AgentLoop(
            settings: .init(slots: slots), controlPlane: wire, engines: [.init(name: "command", version: "1")],
            context: context, desk: PublicationDesk(spool: spool, lake: lake, logger: logger, now: wall),
            renewal: CertificateRenewal.Request(), notifier: SystemNotifier(environment: [:], logger: logger), backoff: chance)
        let clock = clock
        let sender = ReportSender(
            spool: spool, controlPlane: wire, listener: loop, backoff: chance, logger: logger,
            sleep: { try await clock.sleep(for: $0) })
        return (spool, loop, sender)
    }

    /// It ended although nobody killed it; systemd starts it again.
    private func failed(_ error: any Error) {
        world.trace.note(name, "ends by itself: \(error)")
        if !(error is DiskError || error is SpoolError || (error as NSError).domain == NSCocoaErrorDomain) {
            world.fail("\(name) ended by itself: \(error)")
        }
        crash()
        world.loop.after(5) { [weak self] in self?.world.attempt { try self?.start() } }
    }

    /// As SIGKILL of the process, or as the power going.
    func crash(losingUnsynced: Bool = false) {
        guard let running else { return }
        world.trace.note(name, losingUnsynced ? "loses power" : "is killed")
        self.running = nil
        isPaused = false
        running.process.isAlive = false
        running.process.isPaused = false
        disk.died(losingUnsynced: losingUnsynced)
        running.task.cancel()
    }

    func pause(_ isPaused: Bool) {
        guard let running else { return }
        self.isPaused = isPaused
        running.process.isPaused = isPaused
        world.trace.note(name, isPaused ? "is stopped" : "goes on")
    }
}
