/// The times that decide when work is given up. All are lengths, not moments.
public struct OrchestrationSettings: Sendable {
    /// How long a claim lasts unless the agent confirms the start: short, because an answer that never
    /// arrived costs this long.
    public var startLease: Duration = .seconds(15)
    /// How long a lease lasts after the start was confirmed and after each poll; more than two polls.
    public var lease: Duration = .seconds(60)
    /// How often lapsed leases and due retries are looked for.
    public var reaperPeriod: Duration = .seconds(2)
    /// How long after the control plane's start no lease is taken back: nobody could renew while it was down.
    public var recoveryGrace: Duration = .seconds(15)
    /// Attempts of one task that may be lost with their agent; one more fails it.
    public var toleratedLosses = 3
    /// An agent gets this long to confirm a publication before polls repeat it; doubled with each repetition.
    public var publicationGrace: Duration = .seconds(2)
    /// A cancellation that was told already is told again after this long, so that an agent that is
    /// still ending the task does not poll in a hot loop.
    public var cancellationRepeat: Duration = .seconds(1)

    public init() {}
}
