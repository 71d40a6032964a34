public struct FleetSettings: Sendable {
    /// How long an agent's certificate lives; agents renew at half of it.
    public var certificateLifetime: Duration = .seconds(24 * 3600)
    /// An agent is online while its last successful poll is younger than this.
    public var presence: Duration = .seconds(60)
    /// Where agents reach the control plane, printed with each join token.
    public var agentURL: String

    public init(agentURL: String) { self.agentURL = agentURL }
}
