public import FlowForgeProtocol
public import Foundation

/// Something that records more about an accepted outcome, in the same transaction: what it throws
/// undoes the acceptance, and the agent sends the report again.
public protocol CompletionObserver: Sendable {
    /// Called once for each attempt that succeeded under a current lease.
    func completed(_ completion: AcceptedCompletion, in session: Session) throws
}

/// An attempt that succeeded, after its lease was checked and its snapshot got a version.
public struct AcceptedCompletion: Sendable {
    public var run: ID<Run>
    public var environment: String
    public var task: String
    public var attempt: ID<Attempt>
    public var agent: ID<Agent>
    public var fencing: Int64
    public var acceptedAt: Date
    /// What was written and the version that it got; absent where the task has no output.
    public var published: Published?
    /// The attempt's newest `COMPLETE` event; absent when the agent sent none.
    public var lineage: OpenLineage.RunEvent?

    public struct Published: Sendable {
        public var output: TaskOutput
        public var snapshot: SnapshotReference
        public init(output: TaskOutput, snapshot: SnapshotReference) {
            self.output = output
            self.snapshot = snapshot
        }
    }

    public init(
        run: ID<Run>, environment: String, task: String, attempt: ID<Attempt>, agent: ID<Agent>, fencing: Int64,
        acceptedAt: Date, published: Published?, lineage: OpenLineage.RunEvent?
    ) {
        self.run = run
        self.environment = environment
        self.task = task
        self.attempt = attempt
        self.agent = agent
        self.fencing = fencing
        self.acceptedAt = acceptedAt
        self.published = published
        self.lineage = lineage
    }
}
