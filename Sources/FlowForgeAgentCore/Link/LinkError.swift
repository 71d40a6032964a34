public import FlowForgeProtocol

/// Why an exchange with the control plane failed.
public enum LinkError: Error, Sendable, CustomStringConvertible {
    /// The control plane answered with a refusal.
    case refused(APIError, status: Int)
    /// No answer: name, connection, proxy, TLS. The text says which, in people's words.
    case unreachable(String)
    /// No answer in time.
    case timedOut
    /// An answer that is not ours, e.g. from a proxy or a captive portal.
    case unreadable(String)
    /// This agent's own certificate is past its end; nothing was sent.
    case certificateExpired

    public var description: String {
        switch self {
        case .refused(let error, let status): "\(error) [\(error.code.rawValue), HTTP \(status)]"
        case .unreachable(let text): text
        case .timedOut: "no answer in time"
        case .unreadable(let text): text
        case .certificateExpired: "the agent's certificate has expired"
        }
    }

    /// Whether waiting cannot help: a person has to do something, so the agent stops.
    public var isFinal: Bool {
        switch self {
        case .certificateExpired: true
        case .refused(let error, _):
            [
                .agentRevoked, .agentCloned, .certificateRevoked, .certificateExpired, .certificateUnknown, .certificateRequired,
            ].contains(error.code)
        case .unreachable, .timedOut, .unreadable: false
        }
    }
}
