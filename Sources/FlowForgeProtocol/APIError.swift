/// An open set of error codes: a peer may send one that this build does not know.
public struct ErrorCode: RawRepresentable, Hashable, Sendable, Codable, ExpressibleByStringLiteral {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { rawValue = value }

    // Requests
    public static let invalidRequest: Self = "invalid_request"
    public static let notFound: Self = "not_found"
    public static let alreadyExists: Self = "already_exists"
    public static let conflict: Self = "conflict"
    public static let tooLarge: Self = "too_large"
    public static let unauthenticated: Self = "unauthenticated"
    public static let forbidden: Self = "forbidden"
    public static let protocolVersion: Self = "protocol_version"
    public static let invalidBundle: Self = "invalid_bundle"
    public static let digestMismatch: Self = "digest_mismatch"
    /// The version was withdrawn.
    public static let bundleYanked: Self = "bundle_yanked"
    // Signatures of bundles
    /// A signature is required and there is none.
    public static let unsignedBundle: Self = "unsigned_bundle"
    /// No good signature by a key that is trusted.
    public static let untrustedSignature: Self = "untrusted_signature"
    /// What is signed is about another bundle.
    public static let attestationSubject: Self = "attestation_subject"
    /// What is signed is another kind of statement than is needed.
    public static let attestationPredicate: Self = "attestation_predicate"
    /// No envelope, statement or referrer of the form that it should have.
    public static let invalidAttestation: Self = "invalid_attestation"
    // Joining and certificates; each refusal has a reason of its own
    public static let tokenUnknown: Self = "token_unknown"
    public static let tokenUsed: Self = "token_used"
    public static let tokenExpired: Self = "token_expired"
    public static let tokenPool: Self = "token_pool"
    public static let certificateRequired: Self = "certificate_required"
    public static let certificateExpired: Self = "certificate_expired"
    public static let certificateRevoked: Self = "certificate_revoked"
    public static let certificateUnknown: Self = "certificate_unknown"
    public static let agentRevoked: Self = "agent_revoked"
    /// Two processes use one agent's identity; this is the older one.
    public static let agentCloned: Self = "agent_cloned"
    public static let invalidCSR: Self = "invalid_csr"
    // Work
    public static let staleLease: Self = "stale_lease"
    // The control plane itself
    /// The client took too long to send its request.
    public static let requestTimeout: Self = "request_timeout"
    public static let busy: Self = "busy"
    public static let storageFull: Self = "storage_full"
    /// The control plane's database is damaged.
    public static let storageDamaged: Self = "storage_damaged"
    public static let shuttingDown: Self = "shutting_down"
    public static let internalError: Self = "internal_error"
}

/// Every refusal on the wire: `{"error": {"code": …, "message": …, "hint": …, "metadata": {…}}}`.
public struct APIError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    public var code: ErrorCode
    /// What was wrong and where (field, file, line).
    public var message: String
    /// What to do next.
    public var hint: String?
    public var metadata: [String: String]

    public init(_ code: ErrorCode, _ message: String, hint: String? = nil, metadata: [String: String] = [:]) {
        self.code = code
        self.message = message
        self.hint = hint
        self.metadata = metadata
    }

    public var description: String { hint.map { "\(message) (\($0))" } ?? message }

    /// Whether the same request may succeed later, unchanged.
    public var isRetryable: Bool { [.busy, .requestTimeout, .shuttingDown, .storageFull, .internalError].contains(code) }

    enum CodingKeys: CodingKey { case code, message, hint, metadata }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        code = try container.decode(ErrorCode.self, forKey: .code)
        message = try container.decode(String.self, forKey: .message)
        hint = try container.decodeIfPresent(String.self, forKey: .hint)
        metadata = try container.decodeIfPresent([String: String].self, forKey: .metadata) ?? [:]
    }
}

public struct ErrorBody: Sendable, Codable {
    public var error: APIError
    public init(_ error: APIError) { self.error = error }
}
