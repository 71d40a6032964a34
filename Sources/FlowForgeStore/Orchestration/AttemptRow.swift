public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// An attempt under a new lease, to be stored.
public struct NewAttempt: Sendable {
    public var id: ID<Attempt>
    public var number: Int
    public var claim: LeaseClaim
    public var leaseUntil: Date
    /// When the control plane ends it unless it has started.
    public var deadline: Date

    public init(id: ID<Attempt>, number: Int, claim: LeaseClaim, leaseUntil: Date, deadline: Date) {
        self.id = id
        self.number = number
        self.claim = claim
        self.leaseUntil = leaseUntil
        self.deadline = deadline
    }
}

public struct AttemptRow: Sendable {
    public var id: ID<Attempt>
    public var run: ID<Run>
    public var task: Int64
    public var number: Int
    public var state: AttemptState
    public var claim: LeaseClaim
    /// Present exactly while the lease is current.
    public var leaseUntil: Date?
    public var leasedAt: Date
    public var startedAt: Date?
    public var finishedAt: Date?
    /// Lines of its log that are stored.
    public var logLines: Int64
    public var progress: TaskProgress?
    public var metrics: TaskMetrics?
    public var checks: [CheckResult]
    public var error: TaskError?
    public var snapshot: SnapshotReference?
    public var cancellationToldAt: Date?

    /// Its end was not reported but decided by the control plane.
    public var wasTakenBack: Bool { state == .lost || error?.code == TaskError.deadlineExceeded }

    public var lifecycle: AttemptLifecycle { AttemptLifecycle(state: state, claim: claim) }
}

extension AttemptRow {
    init(_ row: Row) throws {
        var snapshot: SnapshotReference?
        if let id: ID<Snapshot> = try row.optionalID("snapshot") {
            snapshot = SnapshotReference(
                id: id, version: row["snapshot_version"], location: row["snapshot_location"])
        }
        self.init(
            id: try row.id("id"), run: try row.id("run"), task: row["task"], number: row["number"],
            state: try row.word("state"),
            claim: LeaseClaim(lease: try row.id("lease"), fencing: row["fencing"], agent: try row.id("agent")),
            leaseUntil: row.date("lease_until"), leasedAt: Date(milliseconds: row["leased_at"]),
            startedAt: row.date("started_at"), finishedAt: row.date("finished_at"), logLines: row["log_lines"],
            progress: try row.optionalJSON(TaskProgress.self, "progress"),
            metrics: try row.optionalJSON(TaskMetrics.self, "metrics"),
            checks: try row.optionalJSON([CheckResult].self, "checks") ?? [],
            error: try row.optionalJSON(TaskError.self, "error"), snapshot: snapshot,
            cancellationToldAt: row.date("cancellation_told_at"))
    }
}
