public import Foundation

/// One time at which a schedule calls for a run. Its instant identifies it: a schedule has at most one
/// tick at an instant.
public struct Tick: Hashable, Sendable, Codable {
    /// What the zone's clock does at the tick.
    public enum Clock: Hashable, Sendable, Codable {
        case plain
        /// The clock has just jumped over `count` times that the schedule names, the first being `from`.
        case gap(from: String, count: Int)
        /// The clock shows this time again soon.
        case first
        /// The clock has shown this time before.
        case second

        /// What people should know of it, e.g. in a preview.
        public var remark: String? {
            switch self {
            case .plain: nil
            case .gap(let from, 1): "the clock leaves out \(from)"
            case .gap(let from, let count): "the clock leaves out \(count) times from \(from) on"
            case .first: "the clock shows this time twice, now first"
            case .second: "the clock shows this time twice, now again"
            }
        }
    }

    /// In whole seconds.
    public var scheduled: Date
    /// When it fires: later than `scheduled` by the jitter, before the next tick.
    public var due: Date
    public var clock: Clock

    public init(scheduled: Date, due: Date, clock: Clock = .plain) {
        self.scheduled = scheduled
        self.due = due
        self.clock = clock
    }
}

public enum SkipReason: String, Hashable, Sendable, Codable, CaseIterable {
    /// The clock left its time out, and the policy is `skip`.
    case gap
    /// The clock showed its time for the second time, and the policy is not `both`.
    case overlap
    case blackout
    case paused
    /// Nobody was there to fire it, and catch-up is `none`.
    case missed
    /// Missed, and catch-up is `last`: a newer one ran.
    case superseded
    /// Missed, for longer than the catch-up window.
    case window
    /// Missed, and more newer ones than the catch-up cap were too.
    case cap
}

public enum Verdict: Hashable, Sendable, Codable {
    case fire
    /// Missed, and run now.
    case caughtUp
    case skip(SkipReason)

    public var runs: Bool { self == .fire || self == .caughtUp }
}

/// What becomes of a tick or, where neighbours are skipped for the same reason, of `count` of them.
/// One that runs is always alone.
public struct Decision: Hashable, Sendable, Codable {
    /// The first of them.
    public var tick: Tick
    /// The last of them, `tick.scheduled` where it is one.
    public var through: Date
    public var count: Int
    public var verdict: Verdict

    public init(_ tick: Tick, _ verdict: Verdict, through: Date? = nil, count: Int = 1) {
        self.tick = tick
        self.through = through ?? tick.scheduled
        self.count = count
        self.verdict = verdict
    }
}

public struct Decisions: Hashable, Sendable {
    /// In the order of their ticks; together they are every tick after the instant asked from up to
    /// ``through``, each once.
    public var items: [Decision]
    /// The `since` of the next call. Not later than `now`; earlier where jitter still holds a tick back.
    public var through: Date
    /// When to ask again: the next tick that fires, with its jitter; a skipped one where a short search finds
    /// none that fires; `nil` where the schedule has ended.
    public var next: Date?

    public init(items: [Decision], through: Date, next: Date?) {
        self.items = items
        self.through = through
        self.next = next
    }
}
