public import FlowForgeDomain
public import FlowForgeProtocol

/// What a promotion needs of those who run flows, in its own transactions.
public protocol PromotionRuns: Sendable {
    /// Starts the flow of the environment's current release of the bundle, once for each promotion and flow.
    /// Throws `APIError` where it cannot be started, e.g. because a parameter has no default.
    func start(_ flow: FlowReference, for promotion: ID<Promotion>, by actor: Actor, in session: Session) throws -> ID<Run>

    /// Starts the flow as somebody would by hand.
    func start(_ flow: FlowReference, by actor: Actor, in session: Session) throws -> ID<Run>

    /// Lets a paused trigger go on.
    func resume(_ trigger: ID<Trigger>, by actor: Actor, in session: Session) throws

    /// Ends a run that has not ended; it may take a while until its tasks have.
    func cancel(_ run: ID<Run>, by actor: Actor, in session: Session) throws

    /// Triggers of a bundle that was held may go on.
    func letGo()
}
