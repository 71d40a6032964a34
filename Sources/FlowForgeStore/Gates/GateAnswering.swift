public import FlowForgeDomain

/// Writes the answer of another system to a gate down, in the transaction of whoever took it in.
public protocol GateAnswering: Sendable {
    /// Throws `APIError` `conflict` when the plan has expired, `invalid_request` for a gate that asks nobody.
    func answer(_ gate: String, of plan: String, passed: Bool, message: String, by actor: Actor, in session: Session) throws
}
