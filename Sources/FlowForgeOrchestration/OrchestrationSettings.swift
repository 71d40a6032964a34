/// The times that decide when work is given up. All are lengths, not moments.
public struct OrchestrationSettings: Sendable {
    /// How long a claim lasts unless the agent confirms the start: short, because an answer that never
    /// arrived costs this long.
    public var startLease: Duration = .seconds(15)
    /// How long a lease lasts after the start was confirmed and after each poll; more than two polls.
    public var lease: Duration = .seconds(24)
    /// How long an agent that holds a claim, and polls, may take to start it: to fetch a large bundle.
    public var startDeadline: Duration = .seconds(600)
    /// How long after a task's own timeout the control plane ends an attempt that its agent did not end.
    public var deadlineGrace: Duration = .seconds(60)
    /// How often lapsed leases, deadlines and due retries are looked for.
    public var reaperPeriod: Duration = .seconds(1)
    /// How long after the control plane's start no lease is taken back: nobody could renew while it was
    /// down, and agents come back within ``AgentAPI/longestBackoffUnderLease``.
    public var recoveryGrace: Duration = .seconds(20)
    /// Attempts of one task that may be lost with their agent; one more fails it.
    public var toleratedLosses = 3
    /// An agent gets this long to confirm a publication before polls repeat it; doubled with each repetition.
    public var publicationGrace: Duration = .seconds(2)
    /// A cancellation that was told already is told again after this long, so that an agent that is
    /// still ending the task does not poll in a hot loop.
    public var cancellationRepeat: Duration = .seconds(1)

    public init() {}
}
