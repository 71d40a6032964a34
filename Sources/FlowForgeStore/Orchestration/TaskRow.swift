public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A task of a run that is to be stored.
public struct NewTask: Sendable {
    public var name: String
    public var layer: Layer
    public var engine: String
    /// Whose agents run it.
    public var pool: String
    public var inputs: [AssetName]
    public var output: AssetName?
    public var retry: RetryPolicy
    /// What one attempt may take.
    public var timeoutSeconds: Double
    /// Units that an attempt takes from limits beside its pool's.
    public var limits: [LimitKey: Int]
    /// Names of the environment's credentials that it needs.
    public var credentials: [String]
    /// Names of tasks of the same run, stored before this one.
    public var dependsOn: [String]
    /// The attempt of an earlier run whose result stands for this task, which is `succeeded` then.
    public var reuses: ID<Attempt>?

    public init(
        name: String, layer: Layer, engine: String, pool: String, inputs: [AssetName], output: AssetName?, retry: RetryPolicy,
        timeoutSeconds: Double = 3600, limits: [LimitKey: Int] = [:], credentials: [String] = [], dependsOn: [String],
        reuses: ID<Attempt>? = nil
    ) {
        self.name = name
        self.layer = layer
        self.engine = engine
        self.pool = pool
        self.inputs = inputs
        self.output = output
        self.retry = retry
        self.timeoutSeconds = timeoutSeconds
        self.limits = limits
        self.credentials = credentials
        self.dependsOn = dependsOn
        self.reuses = reuses
    }
}

public struct TaskRow: Sendable {
    public var id: Int64
    public var run: ID<Run>
    public var name: String
    public var environment: String
    public var pool: String
    public var layer: Layer
    public var engine: String
    public var inputs: [AssetName]
    public var output: AssetName?
    public var retry: RetryPolicy
    public var timeoutSeconds: Double
    public var priority: Int
    public var limits: [LimitKey: Int]
    public var credentials: [String]
    public var state: TaskState
    /// Since when it is ready, or until when a retry is delayed; present exactly while it is ready.
    public var readyAt: Date?
    /// What it waits for although it is ready.
    public var parkedOn: Parking?
    public var reusedAttempt: ID<Attempt>?
    /// How many attempts were made.
    public var attempts: Int
    public var failures: Int
    public var losses: Int

    public var lifecycle: TaskLifecycle { TaskLifecycle(state: state, failures: failures, losses: losses) }
}

extension TaskRow: StoredRow {
    static let columns = """
        id, run, name, environment, pool, layer, engine, inputs, output, retries, retry_delay, retry_backoff, retry_jitter,
        retry_longest, timeout, priority, limits, credentials, state, ready_at, parked_on, reused_attempt, attempts, failures, losses
        """

    init(_ row: inout RowReader) throws {
        self.init(
            id: try row.next(), run: try row.id(), name: try row.next(), environment: try row.next(), pool: try row.next(),
            layer: try row.word(), engine: try row.next(), inputs: try row.json(),
            output: try row.next(String?.self).flatMap { AssetName($0) },
            retry: RetryPolicy(
                retries: try row.next(), delaySeconds: Double(try row.next(Int64.self)) / 1000, backoff: try row.next(),
                jitter: try row.next(), longestDelaySeconds: Double(try row.next(Int64.self)) / 1000),
            timeoutSeconds: Double(try row.next(Int64.self)) / 1000, priority: try row.next(),
            limits: try row.optionalJSON() ?? [:], credentials: try row.optionalJSON() ?? [], state: try row.word(),
            readyAt: try row.optionalDate(),
            parkedOn: try row.next(String?.self).map(Parking.init(text:)), reusedAttempt: try row.optionalID(),
            attempts: try row.next(), failures: try row.next(), losses: try row.next())
    }
}

/// What a ready task waits for before it can be claimed.
public enum Parking: Hashable, Comparable, Sendable {
    /// Its `readyAt`.
    case delay
    /// Another attempt that writes the same asset.
    case output(environment: String, AssetName)
    /// Its flow is paused.
    case flow(FlowReference)
    case limit(LimitKey)

    var text: String {
        switch self {
        case .delay: "delay"
        case .output(let environment, let asset): "output:\(environment)/\(asset)"
        case .flow(let flow): "flow:\(flow.environment)/\(flow.bundle)/\(flow.flow)"
        case .limit(let key): key.description
        }
    }

    public static func < (one: Parking, other: Parking) -> Bool { one.text < other.text }

    /// Text that no case made is read as a limit that nobody holds.
    init(text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        let names = parts.last.map { $0.split(separator: "/").map(String.init) } ?? []
        switch parts.first {
        case "delay": self = .delay
        case "output" where names.count == 2:
            if let asset = AssetName(names[1]) {
                self = .output(environment: names[0], asset)
            } else {
                self = .limit(.resource(text))
            }
        case "flow" where names.count == 3:
            self = .flow(FlowReference(environment: names[0], bundle: names[1], flow: names[2]))
        default: self = .limit(LimitKey(text) ?? .resource(text))
        }
    }
}
