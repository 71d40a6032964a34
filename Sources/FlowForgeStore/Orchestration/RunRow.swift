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
        parameters: [String: JSONValue], variables: [String: JSONValue], idempotencyKey: String?, origin: RunOrigin,
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

extension RunRow {
    init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"], pool: row["pool"], release: try row.id("release"),
            bundle: BundleReference(
                name: row["bundle"], version: row["bundle_version"], digest: row["bundle_digest"]),
            flow: row["flow"], parameters: try row.json([String: JSONValue].self, "parameters"),
            variables: try row.json([String: JSONValue].self, "variables"), idempotencyKey: row["idempotency_key"],
            origin: RunOrigin(
                try row.word("cause"), trigger: row["trigger_name"], scheduledFor: row.date("scheduled_for"),
                rerunOf: try row.optionalID("rerun_of")),
            priority: row["priority"], maxRuns: row["max_runs"],
            timeoutSeconds: (row["timeout"] as Int64?).map { Double($0) / 1000 }, createdBy: row["created_by"],
            createdAt: Date(milliseconds: row["created_at"]))
        state = try row.word("state")
        admittedAt = row.date("admitted_at")
        endReason = try (row["end_reason"] as String?).map { _ in try row.word("end_reason") }
        openTasks = row["open_tasks"]
        startedAt = row.date("started_at")
        finishedAt = row.date("finished_at")
        version = row["version"]
    }
}
