public import FlowForgeProtocol
public import Foundation

/// An agent whose certificate was verified for the request at hand, and that is neither revoked nor
/// expired. Everything that an agent asks is decided from this, never from what its message claims.
public struct AgentIdentity: Hashable, Sendable {
    public var id: ID<Agent>
    public var pool: String
    /// Lower-case hexadecimal.
    public var certificateSerial: String
    public var certificateNotAfter: Date

    public init(id: ID<Agent>, pool: String, certificateSerial: String, certificateNotAfter: Date) {
        self.id = id
        self.pool = pool
        self.certificateSerial = certificateSerial
        self.certificateNotAfter = certificateNotAfter
    }

    public var actor: Actor { .agent(id) }
}
