public import Foundation

/// Where a backfill stands.
public enum BackfillState: String, WireEnum {
    case running, completed, cancelled
    case unknown
}

extension OperatorAPI {
    /// `POST /backfills`: one run for each tick in `[from, until)`, of a schedule's trigger or of an
    /// interval. With the same `idempotencyKey` in one environment the first backfill is returned again.
    public struct StartBackfill: Codable, Sendable, Hashable {
        public var environment: String
        /// Needed when more than one bundle of the environment has the flow.
        public var bundle: String?
        public var flow: String
        /// The schedule trigger whose ticks are meant; may be left out where the flow has one.
        public var trigger: String?
        /// Ticks every so many seconds from `from` on, instead of a trigger's.
        public var everySeconds: Int?
        public var from: Date
        /// Not later than now.
        public var until: Date
        /// In place of the trigger's, for each run.
        public var parameters: [String: JSONValue]?
        /// Runs of it that have not ended, at most; 1 to 100, 4 unless given.
        public var maxRuns: Int?
        /// Tasks of it that agents of the pool work on at once, at most; 1 to 1000, 1 unless given.
        public var maxSlots: Int?
        /// Also ticks that have succeeded before, or have a run that goes on.
        public var again: Bool?
        public var idempotencyKey: String?

        public init(
            environment: String, bundle: String? = nil, flow: String, trigger: String? = nil, everySeconds: Int? = nil,
            from: Date, until: Date, parameters: [String: JSONValue]? = nil, maxRuns: Int? = nil, maxSlots: Int? = nil,
            again: Bool? = nil, idempotencyKey: String? = nil
        ) {
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.trigger = trigger
            self.everySeconds = everySeconds
            self.from = from
            self.until = until
            self.parameters = parameters
            self.maxRuns = maxRuns
            self.maxSlots = maxSlots
            self.again = again
            self.idempotencyKey = idempotencyKey
        }
    }

    public struct BackfillView: Codable, Sendable {
        public var id: ID<Backfill>
        public var environment: String
        public var bundle: String
        public var flow: String
        public var trigger: String?
        /// In words.
        public var schedule: String
        public var from: Date
        public var until: Date
        public var maxRuns: Int
        public var maxSlots: Int
        public var again: Bool
        public var state: BackfillState
        /// Ticks in all, and what became of them. Runs that retention has removed are in none but `total`.
        public var total: Int
        public var succeeded: Int
        public var failed: Int
        public var cancelled: Int
        /// Runs that have not ended.
        public var open: Int
        /// Ticks that had succeeded before or could not be started.
        public var skipped: Int
        public var createdBy: String
        public var createdAt: Date
        public var finishedAt: Date?

        public init(
            id: ID<Backfill>, environment: String, bundle: String, flow: String, trigger: String?, schedule: String,
            from: Date, until: Date, maxRuns: Int, maxSlots: Int, again: Bool, state: BackfillState, total: Int,
            succeeded: Int, failed: Int, cancelled: Int, open: Int, skipped: Int, createdBy: String, createdAt: Date,
            finishedAt: Date?
        ) {
            self.id = id
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.trigger = trigger
            self.schedule = schedule
            self.from = from
            self.until = until
            self.maxRuns = maxRuns
            self.maxSlots = maxSlots
            self.again = again
            self.state = state
            self.total = total
            self.succeeded = succeeded
            self.failed = failed
            self.cancelled = cancelled
            self.open = open
            self.skipped = skipped
            self.createdBy = createdBy
            self.createdAt = createdAt
            self.finishedAt = finishedAt
        }
    }

    /// A tick of a backfill that has had its turn.
    public struct BackfillTickView: Codable, Sendable {
        public var scheduledFor: Date
        public var run: ID<Run>?
        /// Of the run; absent where there is none, or none any more.
        public var state: RunState?
        /// Why it got no run.
        public var reason: String?
        public init(scheduledFor: Date, run: ID<Run>?, state: RunState?, reason: String?) {
            self.scheduledFor = scheduledFor
            self.run = run
            self.state = state
            self.reason = reason
        }
    }
}
