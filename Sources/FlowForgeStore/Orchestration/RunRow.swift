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
    public var createdBy: String
    public var createdAt: Date
    public var startedAt: Date?
    public var finishedAt: Date?
    public var version: Int64

    /// A new run, `queued`.
    public init(
        id: ID<Run>, environment: String, pool: String, release: ID<Release>, bundle: BundleReference, flow: String,
        parameters: [String: JSONValue], variables: [String: JSONValue], idempotencyKey: String?, createdBy: String,
        createdAt: Date
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
        self.createdBy = createdBy
        self.createdAt = createdAt
        version = 1
    }

    public var lifecycle: RunLifecycle { RunLifecycle(state: state) }
}

extension RunRow {
    init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"], pool: row["pool"], release: try row.id("release"),
            bundle: BundleReference(
                name: row["bundle"], version: row["bundle_version"], digest: row["bundle_digest"]),
            flow: row["flow"], parameters: try row.json([String: JSONValue].self, "parameters"),
            variables: try row.json([String: JSONValue].self, "variables"), idempotencyKey: row["idempotency_key"],
            createdBy: row["created_by"], createdAt: Date(milliseconds: row["created_at"]))
        state = try row.word("state")
        startedAt = row.date("started_at")
        finishedAt = row.date("finished_at")
        version = row["version"]
    }
}
