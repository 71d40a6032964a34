public import FlowForgeProtocol
public import Foundation

/// An event that the spool has not numbered yet.
public struct EventDraft: Sendable {
    public var at: Date
    public var attempt: ID<Attempt>?
    public var lease: ID<Lease>?
    public var fencing: Int64?
    public var body: AgentAPI.ReportBody

    public init(
        at: Date, attempt: ID<Attempt>? = nil, lease: ID<Lease>? = nil, fencing: Int64? = nil, body: AgentAPI.ReportBody
    ) {
        self.at = at
        self.attempt = attempt
        self.lease = lease
        self.fencing = fencing
        self.body = body
    }

    /// About the attempt that `held` names.
    public init(at: Date, held: AgentAPI.HeldLease, body: AgentAPI.ReportBody) {
        self.init(at: at, attempt: held.attempt, lease: held.lease, fencing: held.fencing, body: body)
    }

    var isLog: Bool { if case .log = body { true } else { false } }

    /// Whether the run moves on by it.
    var isUrgent: Bool {
        switch body {
        case .started, .finished: true
        default: false
        }
    }

    func payload(number: Int64) throws -> Data {
        let event = AgentAPI.ReportEvent(
            number: number, at: at, attempt: attempt, lease: lease, fencing: fencing, body: body)
        let payload = try WireCoding.encode(event)
        guard payload.count <= SegmentFormat.largestPayload else { throw SpoolError.tooLarge(payload.count) }
        return payload
    }
}
