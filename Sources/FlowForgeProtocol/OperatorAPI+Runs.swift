public import Foundation

/// Messages of the operator API, `https://<control plane>/api/v1/…`; the OpenAPI document of the
/// daemon describes the same.
public enum OperatorAPI {
    public static let basePath = "/api/v1"
}

extension OperatorAPI {
    /// A page of a list; ask again with `?after=<next>` while `next` is present.
    public struct Page<Item: Codable & Sendable>: Codable, Sendable {
        public var items: [Item]
        public var next: String?
        public init(items: [Item], next: String? = nil) {
            self.items = items
            self.next = next
        }
    }

    /// `POST /runs`. With the same `idempotencyKey` in one environment the first run is returned again.
    public struct StartRun: Codable, Sendable {
        public var environment: String
        /// Needed when more than one bundle of the environment has the flow.
        public var bundle: String?
        public var flow: String
        public var parameters: [String: JSONValue]
        public var idempotencyKey: String?
        /// -100 … 100 instead of the flow's own; of tasks that are ready, those of more important runs
        /// are handed out first.
        public var priority: Int?
        public init(
            environment: String, bundle: String? = nil, flow: String, parameters: [String: JSONValue] = [:],
            idempotencyKey: String? = nil, priority: Int? = nil
        ) {
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.parameters = parameters
            self.idempotencyKey = idempotencyKey
            self.priority = priority
        }
    }

    /// In lists `tasks` is absent.
    public struct RunView: Codable, Sendable {
        public var id: ID<Run>
        public var environment: String
        public var bundle: BundleReference
        public var flow: String
        public var state: RunState
        public var parameters: [String: JSONValue]
        public var createdAt: Date
        public var startedAt: Date?
        public var finishedAt: Date?
        public var createdBy: String
        /// Absent from control planes that are older than the field, as are `trigger` and `scheduledFor`.
        public var cause: RunCause?
        /// The trigger that fired, by its name within the flow.
        public var trigger: String?
        /// The moment that a schedule or a backfill means; a late run is created after it.
        public var scheduledFor: Date?
        /// The run that this one repeats, all of it or in part.
        public var rerunOf: ID<Run>?
        public var priority: Int?
        /// `true` while it waits for others of its flow to end.
        public var waitsForOthers: Bool?
        /// Why it is being cancelled, or was.
        public var endReason: RunEndReason?
        /// Grows with every change of the run or of one of its tasks; `GET /runs/{id}?since=<version>`
        /// waits for a newer one.
        public var version: Int64
        public var tasks: [TaskView]?
        /// Outputs of the run that readers of the lake do not see yet, because no agent has confirmed
        /// that their pointers moved; sorted, absent in lists. Empty soon after each task's end.
        public var unpublished: [AssetName]?
        public init(
            id: ID<Run>, environment: String, bundle: BundleReference, flow: String, state: RunState,
            parameters: [String: JSONValue], createdAt: Date, startedAt: Date?, finishedAt: Date?, createdBy: String,
            version: Int64, tasks: [TaskView]?, unpublished: [AssetName]? = nil, cause: RunCause? = nil,
            trigger: String? = nil, scheduledFor: Date? = nil, rerunOf: ID<Run>? = nil, priority: Int? = nil,
            waitsForOthers: Bool? = nil, endReason: RunEndReason? = nil
        ) {
            self.id = id
            self.environment = environment
            self.bundle = bundle
            self.flow = flow
            self.state = state
            self.parameters = parameters
            self.createdAt = createdAt
            self.startedAt = startedAt
            self.finishedAt = finishedAt
            self.createdBy = createdBy
            self.cause = cause
            self.trigger = trigger
            self.scheduledFor = scheduledFor
            self.rerunOf = rerunOf
            self.priority = priority
            self.waitsForOthers = waitsForOthers
            self.endReason = endReason
            self.version = version
            self.tasks = tasks
            self.unpublished = unpublished
        }
    }

    /// In topological order within a run.
    public struct TaskView: Codable, Sendable {
        public var name: String
        public var layer: Layer
        public var engine: String
        public var state: TaskState
        public var dependsOn: [String]
        public var output: AssetName?
        /// Oldest first.
        public var attempts: [AttemptView]
        /// What a ready task waits for, for people: a limit, a paused flow, the writer of its output, a
        /// delay. Absent where it waits for an agent only.
        public var waitsFor: String?
        /// Whose agents run it.
        public var pool: String
        /// The attempt of an earlier run whose result stands for this task.
        public var reuses: ID<Attempt>?
        public init(
            name: String, layer: Layer, engine: String, state: TaskState, dependsOn: [String], output: AssetName?,
            attempts: [AttemptView], pool: String, waitsFor: String? = nil, reuses: ID<Attempt>? = nil
        ) {
            self.name = name
            self.layer = layer
            self.engine = engine
            self.state = state
            self.dependsOn = dependsOn
            self.output = output
            self.attempts = attempts
            self.waitsFor = waitsFor
            self.pool = pool
            self.reuses = reuses
        }
    }

    public struct AttemptView: Codable, Sendable {
        public var id: ID<Attempt>
        public var number: Int
        public var state: AttemptState
        public var agent: ID<Agent>
        public var agentName: String
        public var leasedAt: Date
        public var startedAt: Date?
        public var finishedAt: Date?
        public var progress: TaskProgress?
        public var metrics: TaskMetrics?
        public var checks: [CheckResult]
        public var error: TaskError?
        public var snapshot: SnapshotReference?
        public init(
            id: ID<Attempt>, number: Int, state: AttemptState, agent: ID<Agent>, agentName: String, leasedAt: Date,
            startedAt: Date?, finishedAt: Date?, progress: TaskProgress?, metrics: TaskMetrics?,
            checks: [CheckResult], error: TaskError?, snapshot: SnapshotReference?
        ) {
            self.id = id
            self.number = number
            self.state = state
            self.agent = agent
            self.agentName = agentName
            self.leasedAt = leasedAt
            self.startedAt = startedAt
            self.finishedAt = finishedAt
            self.progress = progress
            self.metrics = metrics
            self.checks = checks
            self.error = error
            self.snapshot = snapshot
        }
    }

    /// `GET /runs/{id}/logs?task=&after=&limit=`: lines of the run's attempts in the order they were
    /// stored. `next` is the cursor for the following page, present even on the last (poll with it to follow).
    public struct LogPage: Codable, Sendable {
        public var lines: [RunLogLine]
        public var next: String
        /// Whether the run is final and everything was returned.
        public var complete: Bool
        public init(lines: [RunLogLine], next: String, complete: Bool) {
            self.lines = lines
            self.next = next
            self.complete = complete
        }
    }

    public struct RunLogLine: Codable, Sendable {
        public var task: String
        public var attempt: Int
        public var line: LogLine
        public init(task: String, attempt: Int, line: LogLine) {
            self.task = task
            self.attempt = attempt
            self.line = line
        }
    }
}
