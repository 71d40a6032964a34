import FlowForgeDomain
import FlowForgeProtocol
import Foundation

@testable import FlowForgeAgentCore
@testable import FlowForgeOrchestration
@testable import FlowForgeStore

/// One schedule: a control plane, agents, people who start runs, and everything that goes wrong.
final class World: @unchecked Sendable {
    let seed: UInt64
    let loop: EventLoop
    let trace: Trace
    let sabotage: Sabotage?
    let bundles: Bundles
    let folder: URL
    let lake: URL
    let history: History
    private(set) var plane: PlaneNode!
    private(set) var agents: [AgentNode] = []
    private var people: People!
    private(set) var violation: String?
    /// By kind.
    private(set) var faults: [String: Int] = [:]
    let spoolLimits: SpoolLimits
    let dropsLogs: Bool
    /// Faults are over: what is left must end well.
    private(set) var isCalm = false
    private(set) var isOver = false
    /// By the control plane's clock: from then on nothing may go wrong.
    private(set) var settledAt: Date?
    /// Claimable tasks, and since when they were seen waiting.
    private var waiting: [Int64: Double] = [:]
    private var working: [ID<Agent>: Int] = [:]

    struct Outcome: Sendable {
        var seed: UInt64
        var hash: UInt64
        var steps: Int
        var seconds: Double
        var runs: Int
        var faults: [String: Int]
        var violation: String?
        var trace: [String]
    }

    init(seed: UInt64, bundles: Bundles, folder: URL, template: URL, traces: Bool, sabotage: Sabotage? = nil) throws {
        self.seed = seed
        self.sabotage = sabotage
        self.bundles = bundles
        self.folder = folder
        loop = EventLoop(seed: seed)
        trace = Trace(loop: loop, isKept: traces)
        lake = folder.appending(path: "lake")
        history = History()
        dropsLogs = loop.chance.happens(0.1)
        spoolLimits =
            dropsLogs
            ? SpoolLimits(maxBytes: 6000) : SpoolLimits(maxBytes: 1 << 20, segmentBytes: loop.chance.pick([1500, 4000, 1 << 16]))
        try FileManager.default.createDirectory(at: lake, withIntermediateDirectories: true)
        let database = folder.appending(path: "flowforge.db")
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: template.path + suffix) {
            try FileManager.default.copyItem(atPath: template.path + suffix, toPath: database.path + suffix)
        }
        plane = try PlaneNode(world: self, database: database.path)
        history.world = self
        for number in 1...(1 + loop.chance.pick([0, 1, 1, 2, 3])) {
            var generator = ids { epoch }
            let identity = AgentIdentity(
                id: .make(at: epoch, using: &generator), pool: Place.pool, certificateSerial: "00",
                certificateNotAfter: .distantFuture)
            let agent = AgentNode(world: self, number: number, identity: identity)
            agent.disk.onDeath = { [unowned self, unowned agent] in self.died(agent, takesPower: $0) }
            agents.append(agent)
        }
        people = People(world: self)
    }

    /// Ids of this schedule, so that their order repeats too.
    func ids(_ now: @Sendable @escaping () -> Date) -> IDSource {
        IDSource(now: now, random: { [loop] in loop.chance.next() })
    }

    var peopleAreDone: Bool { people.isDone }
    var wanted: Int { people.wanted }
    var unstarted: String? { people.isDone ? nil : "a run was never started" }

    func count(_ fault: String) { faults[fault, default: 0] += 1 }

    func fail(_ what: String) {
        guard violation == nil else { return }
        violation = what
        trace.note("VIOLATION", what)
    }

    func attempt(_ body: () throws -> Void) {
        if isOver { return }
        do { try body() } catch { fail("the simulation itself: \(error)") }
    }

    // MARK: The schedule

    func run() throws -> Outcome {
        try enlist()
        plane.start()
        for agent in agents { try agent.start() }
        people.begin()
        let operators = Operators(world: self)
        let horizon = loop.chance.happens(0.15) ? loop.chance.seconds(20...70) : loop.chance.seconds(5...25)
        FaultSchedule(world: self).plan(until: horizon)
        operators.plan(until: horizon)
        loop.after(horizon) {
            self.calm()
            operators.withdraw()
        }
        var seen = -1
        while violation == nil, loop.step() {
            if plane.commits != seen {
                seen = plane.commits
                try checkInvariants()
            }
            if isCalm, loop.steps % 64 == 0, try isQuiet() { break }
            if loop.steps > 400_000 { fail("no end: \(loop.steps) steps, \(loop.seconds) s") }
        }
        if violation == nil { try checkEnd() }
        let (steps, seconds) = (loop.steps, loop.seconds)
        try tearDown()
        return Outcome(
            seed: seed, hash: trace.hash, steps: steps, seconds: seconds, runs: people.runs.count, faults: faults,
            violation: violation, trace: trace.lines)
    }

    private func enlist() throws {
        let identities = agents.map { ($0.identity.id, $0.name) }
        try plane.writeNow { session in
            for (id, name) in identities { try session.agents.insert(id, name: name, pool: Place.pool, agentVersion: "0.1.0") }
        }
    }

    /// Everything that is broken is mended.
    private func calm() {
        trace.note("world", "calm")
        isCalm = true
        plane.trap = nil
        plane.pause(false)
        plane.start()
        for agent in agents {
            agent.weather = LineWeather()
            agent.disk.isFull = false
            agent.disk.death = nil
            if agent.isPaused { agent.pause(false) }
            attempt { try agent.start() }
        }
        let calmAt = plane.wallClock
        if loop.chance.happens(0.3) {
            loop.after(60) {
                self.settledAt = calmAt.addingTimeInterval(60)
                self.people.startLast()
                self.watch()
            }
        }
        loop.after(3600 + max(0, plane.setBack)) {
            self.attempt { self.fail("not done an hour after the last fault: \(try self.open())") }
        }
    }

    /// In fine weather nothing waits for long while somebody waits for work.
    private func watch() {
        attempt {
            let ready = try claimable()
            waiting = waiting.filter { ready.contains($0.key) }
            for task in ready { waiting[task] = waiting[task] ?? loop.seconds }
            let isLate = waiting.values.contains { $0 < loop.seconds - 9 }
            let idle = agents.first { agent in
                guard let running = agent.running, running.loop.board.freeSlots > 0, let since = running.wire.parkedSince else {
                    return false
                }
                return since < loop.seconds - 9
            }
            if isLate, let idle { fail("a ready task waits while \(idle.name) waits for work") }
        }
        if !isOver { loop.after(1) { self.watch() } }
    }

    /// The process died in the middle of something.
    private func died(_ agent: AgentNode, takesPower: Bool) {
        count(takesPower ? "agent.power_loss" : "agent.kill")
        agent.crash(losingUnsynced: takesPower)
        restart(agent)
    }

    func restart(_ agent: AgentNode) {
        loop.after(loop.chance.happens(0.2) ? loop.chance.seconds(20...90) : loop.chance.seconds(0.2...8)) { [weak agent] in
            self.attempt { try agent?.start() }
        }
    }

    func working(_ assignment: AgentAPI.Assignment, on agent: AgentNode, _ change: Int) {
        working[agent.identity.id, default: 0] += change
        // What dead processes of the machine still do ends at once; see `AgentNode.crash`.
        if agent.isUp, change > 0, let board = agent.running?.loop.board, board.count > agent.slots {
            fail("\(agent.name) works on \(board.count) attempts in \(agent.slots) slots")
        }
    }

    private func tearDown() throws {
        isOver = true
        for agent in agents { agent.crash() }
        plane.crash()
        var steps = 0
        while steps < 100_000, loop.step() { steps += 1 }
        try plane.store.close()
        try FileManager.default.removeItem(at: folder)
    }
}

/// Names that all schedules share.
enum Place {
    static let pool = "demo"
    static let environment = "dev"
}
