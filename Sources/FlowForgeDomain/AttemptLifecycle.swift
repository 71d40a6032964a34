public import FlowForgeProtocol

/// What a report says it was made under, to be held against the attempt's own lease.
public struct LeaseClaim: Hashable, Sendable {
    public var lease: ID<Lease>
    public var fencing: Int64
    public var agent: ID<Agent>

    public init(lease: ID<Lease>, fencing: Int64, agent: ID<Agent>) {
        self.lease = lease
        self.fencing = fencing
        self.agent = agent
    }
}

/// One try at a task, under one lease.
///
///     claim ──▶ leased ──started──▶ running
///                 │                   │
///                 ├──── finished ─────┤──▶ succeeded │ failed │ timedOut │ cancelled │ lost
///                 └── lease lapsed ───┘──▶ lost
///
/// A final state never changes, so there is one accepted completion at most, and whoever comes later
/// (a zombie that woke up, a repeated report) is told that its lease is stale.
public struct AttemptLifecycle: Hashable, Sendable {
    public enum Step: Hashable, Sendable {
        case moved
        /// It was there before: a repeated message.
        case unchanged
        case rejectStaleLease
    }

    public private(set) var state: AttemptState
    public let claim: LeaseClaim

    public init(state: AttemptState, claim: LeaseClaim) {
        self.state = state
        self.claim = claim
    }

    /// Whether `claim` may speak for the attempt now.
    public func accepts(_ claim: LeaseClaim) -> Bool { !state.isFinal && claim == self.claim }

    public mutating func started(under claim: LeaseClaim) -> Step {
        guard accepts(claim) else { return .rejectStaleLease }
        if state == .running { return .unchanged }
        state = .running
        return .moved
    }

    /// An outcome that this build does not know counts as a failure.
    public mutating func finished(_ outcome: Outcome, under claim: LeaseClaim) -> Step {
        guard accepts(claim) else { return .rejectStaleLease }
        state =
            switch outcome {
            case .succeeded: .succeeded
            case .failed, .unknown: .failed
            case .timedOut: .timedOut
            case .cancelled: .cancelled
            case .lost: .lost
            }
        return .moved
    }

    public mutating func leaseLapsed() -> Step {
        if state.isFinal { return .unchanged }
        state = .lost
        return .moved
    }
}
