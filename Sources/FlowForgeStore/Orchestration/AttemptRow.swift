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

extension AttemptRow: StoredRow {
    static let columns = """
        id, run, task, number, state, lease, fencing, agent, lease_until, leased_at, started_at, finished_at, log_lines,
        progress, metrics, checks, error, snapshot, snapshot_version, snapshot_location, cancellation_told_at
        """

    init(_ row: inout RowReader) throws {
        self.init(
            id: try row.id(), run: try row.id(), task: try row.next(), number: try row.next(), state: try row.word(),
            claim: LeaseClaim(lease: try row.id(), fencing: try row.next(), agent: try row.id()),
            leaseUntil: try row.optionalDate(), leasedAt: try row.date(), startedAt: try row.optionalDate(),
            finishedAt: try row.optionalDate(), logLines: try row.next(), progress: try row.optionalJSON(),
            metrics: try row.optionalJSON(), checks: try row.optionalJSON() ?? [], error: try row.optionalJSON(),
            snapshot: try row.optionalSnapshot(), cancellationToldAt: try row.optionalDate())
    }
}

extension RowReader {
    /// From the columns of its id, version and location.
    mutating func optionalSnapshot() throws -> SnapshotReference? {
        let (id, version, location) = (
            try optionalID() as ID<Snapshot>?, try next(Int?.self), try next(String?.self)
        )
        guard let id else { return nil }
        guard let version, let location else { throw StoreError.corrupt("snapshot \(id) has no version or location") }
        return SnapshotReference(id: id, version: version, location: location)
    }
}
