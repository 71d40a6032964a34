/// Why no answer could be had from the control plane, or none that could be understood. What the
/// control plane itself refused is an `APIError` instead.
public struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// The address given is none.
        case invalidAddress = "invalid_address"
        /// The CA certificate or fingerprint given cannot be used.
        case invalidTrust = "invalid_trust"
        case nameNotFound = "name_not_found"
        /// Nothing listens there, or the way there is blocked.
        case unreachable
        /// Somebody answered whose certificate our roots do not vouch for.
        case notTrusted = "not_trusted"
        case timedOut = "timed_out"
        /// The connection broke after the request was sent; whether it was carried out is not known.
        case interrupted
        /// Somebody answered who does not speak the operator API.
        case unexpectedAnswer = "unexpected_answer"
        case unreadableFile = "unreadable_file"
    }

    public var kind: Kind
    /// What was wrong and where.
    public var message: String
    /// What to do next.
    public var hint: String

    public init(_ kind: Kind, _ message: String, hint: String) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }

    public var description: String { "\(message) (\(hint))" }
}
