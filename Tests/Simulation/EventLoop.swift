import Foundation

/// One thread's worth of everything: Swift tasks of all simulated processes, and virtual time.
///
/// Time moves only when no task can run. Nothing here, and nothing that runs here, may look at the
/// machine's clock, its randomness, or the order of a `Set`.
final class EventLoop: @unchecked Sendable {
    /// Since the begin of the schedule, in nanoseconds.
    private(set) var now: Int64 = 0
    var chance: Chance
    private(set) var steps = 0
    /// How often a task overtakes another one that could run before it.
    let overtaking: Double
    private var ready: [(job: UnownedJob, process: SimulatedProcess)] = []
    private var head = 0
    private var timers: [Timer] = []
    private var lastTimer = 0

    final class Timer: @unchecked Sendable {
        let at: Int64
        let number: Int
        var action: (() -> Void)?
        init(at: Int64, number: Int, action: @escaping () -> Void) {
            (self.at, self.number, self.action) = (at, number, action)
        }
        func cancel() { action = nil }
        static func < (left: Timer, right: Timer) -> Bool { (left.at, left.number) < (right.at, right.number) }
    }

    init(seed: UInt64) {
        chance = Chance(seed: seed)
        overtaking = chance.happens(0.5) ? 0 : chance.unit() * 0.3
    }

    var seconds: Double { Double(now) / 1e9 }

    private let thread = pthread_self()

    func enqueue(_ job: UnownedJob, of process: SimulatedProcess) {
        precondition(pthread_self() == thread, "something runs beside the schedule, which could not be repeated")
        ready.append((job, process))
    }

    @discardableResult
    func after(_ seconds: Double, _ action: @escaping () -> Void) -> Timer {
        at(now + max(0, Int64(seconds * 1e9)), action)
    }

    func at(_ time: Int64, _ action: @escaping () -> Void) -> Timer {
        lastTimer += 1
        let timer = Timer(at: max(now, time), number: lastTimer, action: action)
        timers.append(timer)
        var child = timers.count - 1
        while child > 0, timers[child] < timers[(child - 1) / 2] {
            timers.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        return timer
    }

    private func nextTimer() -> Timer? {
        guard !timers.isEmpty else { return nil }
        timers.swapAt(0, timers.count - 1)
        let timer = timers.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < timers.count && timers[child] < timers[least] {
                least = child
            }
            if least == parent { return timer }
            timers.swapAt(parent, least)
            parent = least
        }
    }

    /// Runs one job, or lets time pass to the next timer; `false` when there is nothing to come.
    func step() -> Bool {
        steps += 1
        if head < ready.count {
            if overtaking > 0, ready.count - head > 1, chance.happens(overtaking) {
                ready.swapAt(head, head + 1 + chance.below(ready.count - head - 1))
            }
            let (job, process) = ready[head]
            head += 1
            if head > 256 {
                ready.removeFirst(head)
                head = 0
            }
            process.run(job)
            return true
        }
        while let timer = nextTimer() {
            guard let action = timer.action else { continue }
            timer.action = nil
            now = timer.at
            action()
            return true
        }
        return false
    }

    /// Jobs only: what winds down without time passing.
    func settle() { while head < ready.count { _ = step() } }
}

/// Runs the Swift tasks of one process of the simulated world, and can be held up as SIGSTOP does.
final class SimulatedProcess: TaskExecutor, @unchecked Sendable {
    let loop: EventLoop
    /// Dead processes wind down, but reach neither the network nor the disk.
    var isAlive = true
    var isPaused = false {
        didSet {
            guard !isPaused else { return }
            for job in held { loop.enqueue(job, of: self) }
            held = []
        }
    }
    private var held: [UnownedJob] = []

    init(loop: EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) { loop.enqueue(UnownedJob(job), of: self) }

    fileprivate func run(_ job: UnownedJob) {
        if isPaused { held.append(job) } else { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
