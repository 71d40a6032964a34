public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A run as it is stored; a run keeps the pool, bundle and values that it was started with.
public struct RunRow: Sendable {
    public var id: ID<Run>
    public var environment: String
    public var pool: String
    public var release: ID<Release>
    public var bundle: BundleReference
    public var flow: String
    public var state: RunState
    public var parameters: [String: JSONValue]
    public var variables: [String: JSONValue]
    /// References to the secrets that its tasks need, by name.
    public var credentials: [String: String]
    public var idempotencyKey: String?
    public var origin: RunOrigin
    public var priority: Int
    /// How many runs of its flow may go on at once.
    public var maxRuns: Int?
    /// How long it may take from its first attempt's start, in seconds.
    public var timeoutSeconds: Double?
    /// Absent while it waits for others of its flow to end.
    public var admittedAt: Date?
    public var endReason: RunEndReason?
    /// Tasks that are not final.
    public var openTasks: Int
    public var createdBy: String
    public var createdAt: Date
    public var startedAt: Date?
    public var finishedAt: Date?
    public var version: Int64

    /// A new run, `queued`.
    public init(
        id: ID<Run>, environment: String, pool: String, release: ID<Release>, bundle: BundleReference, flow: String,
        parameters: [String: JSONValue], variables: [String: JSONValue], credentials: [String: String] = [:],
        idempotencyKey: String?, origin: RunOrigin,
        priority: Int = 0, maxRuns: Int? = nil, timeoutSeconds: Double? = nil, createdBy: String, createdAt: Date
    ) {
        self.id = id
        self.environment = environment
        self.pool = pool
        self.release = release
        self.bundle = bundle
        self.flow = flow
        state = .queued
        self.parameters = parameters
        self.variables = variables
        self.credentials = credentials
        self.idempotencyKey = idempotencyKey
        self.origin = origin
        self.priority = priority
        self.maxRuns = maxRuns
        self.timeoutSeconds = timeoutSeconds
        openTasks = 0
        self.createdBy = createdBy
        self.createdAt = createdAt
        version = 1
    }

    public var lifecycle: RunLifecycle { RunLifecycle(state: state, endReason: endReason) }
    public var flowReference: FlowReference {
        FlowReference(environment: environment, bundle: bundle.name, flow: flow)
    }
}

extension RunRow: StoredRow {
    static let columns = """
        id, environment, pool, release, bundle, bundle_version, bundle_digest, flow, parameters, variables, credentials, idempotency_key,
        cause, trigger_name, scheduled_for, rerun_of, backfill, priority, max_runs, timeout, created_by, created_at, state, admitted_at,
        end_reason, open_tasks, started_at, finished_at, version
        """

    init(_ row: inout RowReader) throws {
        self.init(
            id: try row.id(), environment: try row.next(), pool: try row.next(), release: try row.id(),
            bundle: BundleReference(name: try row.next(), version: try row.next(), digest: try row.next()),
            flow: try row.next(), parameters: try row.json(), variables: try row.json(),
            credentials: try row.optionalJSON() ?? [:], idempotencyKey: try row.next(),
            origin: RunOrigin(
                try row.word(), trigger: try row.next(), scheduledFor: try row.optionalDate(), rerunOf: try row.optionalID(),
                backfill: try row.optionalID()),
            priority: try row.next(), maxRuns: try row.next(),
            timeoutSeconds: try row.next(Int64?.self).map { Double($0) / 1000 }, createdBy: try row.next(),
            createdAt: try row.date())
        state = try row.word()
        admittedAt = try row.optionalDate()
        endReason = try row.optionalWord()
        openTasks = try row.next()
        startedAt = try row.optionalDate()
        finishedAt = try row.optionalDate()
        version = try row.next()
    }
}
