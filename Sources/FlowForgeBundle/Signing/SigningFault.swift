/// Why a key cannot be used, and what to do.
public struct SigningFault: Error, Hashable, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String

    public init(_ message: String, hint: String) {
        self.message = message
        self.hint = hint
    }

    public var description: String { "\(message) (\(hint))" }
}

/// Why a signed statement is not accepted.
public struct SignatureRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// There is no signature at all.
        case unsigned
        /// Signed, but by nobody who is trusted, or what is signed was changed afterwards.
        case untrusted
        /// A statement about something else.
        case subject
        /// Another kind of statement than is asked for.
        case predicate
        /// No envelope, statement or referrer of the form that the standards give.
        case malformed
    }

    public var reason: Reason
    public var message: String

    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    public var description: String { message }
}
