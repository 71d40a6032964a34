public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Questions of the control plane about the lake, which an agent of a pool answers without a task: durably, by
/// one agent at a time, until a deadline. Answers are read with ``InquiryQueries/find(_:)``.
public struct Inquiries: InquiryAsking {
    private let wakeUps: any PoolWaking

    public static let longest = Duration.seconds(6 * 3600)

    public init(wakeUps: any PoolWaking) { self.wakeUps = wakeUps }

    /// Part of the caller's transaction: with it the question is there, or it is not. An agent of the pool that
    /// waits is woken after the commit.
    ///
    /// - Parameter wait: how long the answer is of interest; at least a second, at most ``longest``.
    /// - Throws: ``APIError`` `invalid_request` for a question that no agent could answer.
    public func ask(
        _ question: InquiryQuestion, pool: String, environment: String, by actor: Actor, within wait: Duration = .seconds(600),
        in session: Session
    ) throws -> ID<Inquiry> {
        try Self.check(question)
        let wait = min(max(wait, .seconds(1)), Self.longest)
        let id = try session.inquiries.insert(
            question, pool: pool, environment: environment, deadline: session.now + wait, by: actor.description)
        session.whenCommitted { wakeUps.wake(pool: pool) }
        return id
    }

    /// The answer is not wanted any more; whoever works on it is told to stop.
    public func withdraw(_ id: ID<Inquiry>, in session: Session) throws {
        guard let inquiry = try session.inquiries.find(id), !inquiry.state.isFinal else { return }
        try session.inquiries.withdraw(id)
        session.whenCommitted { wakeUps.wake(pool: inquiry.pool) }
    }

    private static func check(_ question: InquiryQuestion) throws(APIError) {
        switch question {
        case .inspect(let question):
            guard (1...InspectQuestion.mostAssets).contains(question.assets.count) else {
                throw APIError(
                    .invalidRequest,
                    "an inspection is of 1 to \(InspectQuestion.mostAssets) assets, not \(question.assets.count)",
                    hint: "ask several times")
            }
        case .compare(let question):
            guard question.keys.count <= 64, question.keys.allSatisfy({ (1...128).contains($0.utf8.count) }) else {
                throw APIError(.invalidRequest, "a comparison has at most 64 keys, and names columns of at most 128 bytes")
            }
        case .unknown(let kind): throw APIError(.invalidRequest, "no agent answers '\(kind.prefix(80))'")
        }
    }
}

extension AgentAPI.Question {
    init(_ row: InquiryRow, in session: Session) throws {
        self.init(
            inquiry: row.id, fencing: row.fencing, environment: row.environment,
            seconds: max(0, row.deadline.timeIntervalSince(session.now)), question: row.question,
            storage: try session.environments.storage(of: row.environment))
    }
}
