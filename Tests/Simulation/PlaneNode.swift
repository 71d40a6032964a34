import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Logging

@testable import FlowForgeOrchestration
@testable import FlowForgeStore

/// The control plane: the real features on a real store. A crash takes everything but the database.
final class PlaneNode: @unchecked Sendable {
    struct Services: Sendable {
        let starter: RunStarter
        let dispatcher: Dispatcher
        let intake: ReportIntake
        let limits: Limits
        let flows: Flows
        let store: Store
        let wakeUps: WakeUps

        /// As the agents' registry does it.
        func drain(_ agent: ID<Agent>, _ isDraining: Bool) async throws {
            try await store.write { [wakeUps] session in
                guard try session.agents.standing(of: agent) != (isDraining ? .draining : .active) else { return }
                try session.agents.move(
                    agent, from: [isDraining ? .active : .draining], to: isDraining ? .draining : .active)
                session.whenCommitted { wakeUps.wake(agent: agent) }
            }
        }
    }

    /// What is being worked on for somebody.
    final class Request: @unchecked Sendable {
        fileprivate var task: Task<Void, Never>?
        fileprivate var connectionLost: (() -> Void)?
        func cancel() { task?.cancel() }
    }

    struct Crashed: Error {}

    unowned let world: World
    private(set) var store: Store!
    private(set) var isUp = false
    private(set) var incarnation = 0
    private var process: SimulatedProcess
    private var services: Services?
    private var reaper: Task<Void, Never>?
    private var requests: [Int: Request] = [:]
    private var lastRequest = 0
    /// Added to the wall clock.
    private(set) var clockOffset = 0.0
    /// By how much it was set back, in all.
    private(set) var setBack = 0.0
    /// The next transaction fails at this point: as a crash, or as an error.
    var trap: (point: Store.FaultPoint, error: (any Error)?)?
    /// Grows with each transaction that the database kept.
    private(set) var commits = 0
    let settings: OrchestrationSettings

    @TaskLocal private static var current = 0

    init(world: World, database: String) throws {
        self.world = world
        process = SimulatedProcess(loop: world.loop)
        var settings = OrchestrationSettings()
        settings.reaperPeriod = .seconds(world.loop.chance.pick([2, 5]))
        if world.sabotage == .neverTakesBack { settings.reaperPeriod = .seconds(86_400) }
        self.settings = settings
        var options = Store.Options()
        options.readers = 1
        options.isInline = true
        options.now = { [unowned self] in self.wallClock }
        options.steady = { [loop = world.loop] in loop.seconds }
        options.fault = { [unowned self] in try self.reached($0) }
        store = try Store(path: database, options: options)
    }

    var wallClock: Date { epoch.addingTimeInterval(world.loop.seconds + clockOffset) }

    private func reached(_ point: Store.FaultPoint) throws {
        if Self.current != incarnation, Self.current != 0 { throw Crashed() }
        if point == .afterCommit { commits += 1 }
        guard let trap, trap.point == point, isUp else { return }
        self.trap = nil
        if let error = trap.error {
            world.trace.note("plane", "transaction fails \(point): \(error)")
            throw error
        }
        world.trace.note("plane", "dies \(point)")
        crash()
        throw Crashed()
    }

    func start() {
        guard !isUp else { return }
        isUp = true
        incarnation += 1
        process = SimulatedProcess(loop: world.loop)
        world.trace.note("plane", "starts")
        let clock = SimulatedClock(loop: world.loop)
        let alarm: WakeUps.Alarm = { [loop = world.loop] wait, ring in loop.after(wait / .seconds(1), ring) }
        let wakeUps = WakeUps(alarm: alarm)
        let heard = world.sabotage == .losesWakeUps ? WakeUps(alarm: alarm) : wakeUps
        if world.sabotage == .reusesFencing { world.attempt { try writeNow { try $0.setFencingBack() } } }
        let logger = Logger(label: "plane") { [world] _ in
            Complaints { if $0 == "tasks waited for nothing" { world.fail($0) } }
        }
        services = Services(
            starter: RunStarter(store: store, wakeUps: wakeUps, settings: settings, logger: logger),
            dispatcher: Dispatcher(
                store: store, wakeUps: heard, settings: settings, logger: logger, now: { clock.now }),
            intake: ReportIntake(
                store: store, observers: [CompletionRecorder(), world.history], wakeUps: wakeUps, settings: settings,
                logger: logger),
            limits: Limits(store: store, wakeUps: heard), flows: Flows(store: store, wakeUps: heard), store: store,
            wakeUps: heard)
        let reaper = LeaseReaper(store: store, wakeUps: wakeUps, settings: settings, clock: clock, logger: logger)
        self.reaper = run { await reaper.sweepUntilCancelled() }
    }

    /// As SIGKILL: nothing of the process is left, and who waits for an answer never gets it.
    func crash() {
        guard isUp else { return }
        isUp = false
        incarnation += 1
        process.isAlive = false
        services = nil
        reaper?.cancel()
        for number in requests.keys.sorted() {
            requests[number]?.connectionLost?()
            requests[number]?.cancel()
        }
        requests = [:]
    }

    func pause(_ isPaused: Bool) { process.isPaused = isPaused }

    /// Works on a request and hands over the answer, unless the control plane dies before; `nil` while
    /// it is down.
    func take<Reply: Sendable>(
        _ kind: String, _ work: @Sendable @escaping (Services) async throws -> Reply,
        answer: @escaping (Result<Reply, any Error>) -> Void
    ) -> Request? {
        guard isUp, let services else { return nil }
        let request = Request()
        lastRequest += 1
        let number = lastRequest
        requests[number] = request
        let reply = Once(answer)
        let incarnation = incarnation
        request.connectionLost = { reply.call(.failure(CancellationError())) }
        request.task = run {
            let result: Result<Reply, any Error>
            do { result = .success(try await work(services)) } catch { result = .failure(error) }
            self.requests[number] = nil
            // The client hung up, or this process is gone.
            if case .failure(is CancellationError) = result { return }
            if self.incarnation == incarnation { reply.call(result) }
        }
        return request
    }

    private final class Once<Value>: @unchecked Sendable {
        private var action: ((Value) -> Void)?
        init(_ action: @escaping (Value) -> Void) { self.action = action }
        func call(_ value: Value) {
            action?(value)
            action = nil
        }
    }

    /// The simulation's own reading and writing, beside the schedule.
    func readNow<T: Sendable>(_ body: @Sendable @escaping (Session) throws -> T) throws -> T {
        try store.readInline(body, now: wallClock, scope: .platform)
    }

    func writeNow(_ body: @Sendable @escaping (Session) throws -> Void) throws {
        let process = SimulatedProcess(loop: world.loop)
        let result = Box()
        Task(executorPreference: process) {
            do { try await self.store.write(body) } catch { result.error = error }
        }
        world.loop.settle()
        if let error = result.error { throw error }
    }

    private final class Box: @unchecked Sendable { var error: (any Error)? }

    /// Sets the wall clock.
    func step(by seconds: Double) {
        world.trace.note("plane", "clock steps by \(seconds) s")
        clockOffset += seconds
        if seconds < 0 { setBack -= seconds }
    }

    private func run(_ body: @Sendable @escaping () async -> Void) -> Task<Void, Never> {
        let incarnation = incarnation
        return IDSource.$current.withValue(world.ids { [unowned self] in self.wallClock }) {
            Self.$current.withValue(incarnation) { Task(executorPreference: process) { await body() } }
        }
    }
}

/// Hears what the control plane logs as an error of its own.
private struct Complaints: LogHandler, @unchecked Sendable {
    let hear: (String) -> Void
    var logLevel = Logger.Level.error
    var metadata: Logger.Metadata = [:]

    init(hear: @escaping (String) -> Void) { self.hear = hear }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { if event.level >= .error { hear(event.message.description) } }
}
