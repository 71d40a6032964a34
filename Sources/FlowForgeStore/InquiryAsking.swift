public import FlowForgeDomain
public import FlowForgeProtocol

/// Asks an agent of a pool about the lake. Features that need an answer take this; orchestration has it.
public protocol InquiryAsking: Sendable {
    /// Part of the caller's transaction. The answer is read with ``InquiryQueries/find(_:)``.
    func ask(
        _ question: InquiryQuestion, pool: String, environment: String, by actor: Actor, within wait: Duration,
        in session: Session
    ) throws -> ID<Inquiry>

    /// The answer is not wanted any more.
    func withdraw(_ id: ID<Inquiry>, in session: Session) throws
}
