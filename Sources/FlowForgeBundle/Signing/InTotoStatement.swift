public import FlowForgeProtocol
internal import Foundation

/// An in-toto Statement v1: what is claimed (``predicate``, of the kind ``predicateType``) about which artifacts.
public struct InTotoStatement: Sendable, Hashable, Codable {
    public struct Subject: Sendable, Hashable, Codable {
        public var name: String?
        /// By algorithm, in hexadecimal: `{"sha256": "…"}`.
        public var digest: [String: String]

        public init(name: String?, digest: [String: String]) {
            self.name = name
            self.digest = digest
        }

        /// - Parameter digest: `sha256:…`
        public init(name: String?, digest: String) {
            self.init(name: name, digest: ["sha256": ContentDigest.hexadecimal(digest) ?? ""])
        }

        public init(_ bundle: BundleReference) {
            self.init(name: "\(bundle.name)@\(bundle.version)", digest: bundle.digest)
        }
    }

    public static let type = "https://in-toto.io/Statement/v1"
    public static let payloadType = "application/vnd.in-toto+json"

    public var type: String
    public var subject: [Subject]
    public var predicateType: String
    public var predicate: JSONValue?

    enum CodingKeys: String, CodingKey {
        case type = "_type"
        case subject, predicateType, predicate
    }

    public init(subject: [Subject], predicateType: String, predicate: JSONValue) {
        type = Self.type
        self.subject = subject
        self.predicateType = predicateType
        self.predicate = predicate
    }

    public init(subject: Subject, predicateType: String, predicate: JSONValue) {
        self.init(subject: [subject], predicateType: predicateType, predicate: predicate)
    }

    /// The statement in an envelope whose signatures say nothing yet. Unknown members are ignored, as the
    /// specification demands.
    public init(in envelope: DSSEEnvelope) throws(SignatureRefusal) {
        guard envelope.payloadType == Self.payloadType else {
            throw SignatureRefusal(
                .malformed,
                "the envelope holds '\(envelope.payloadType.prefix(100))', not an in-toto statement (\(Self.payloadType))")
        }
        guard let statement = try? WireCoding.decode(Self.self, from: envelope.payload) else {
            throw SignatureRefusal(.malformed, "the envelope's payload is not JSON of an in-toto statement")
        }
        guard statement.type == Self.type else {
            throw SignatureRefusal(
                .malformed, "the statement's _type is '\(statement.type.prefix(100))'; \(Self.type) is understood")
        }
        guard !statement.subject.isEmpty, statement.subject.allSatisfy({ !$0.digest.isEmpty }) else {
            throw SignatureRefusal(.malformed, "the statement has no subject, or one without a digest")
        }
        guard !statement.predicateType.isEmpty, statement.predicateType.utf8.count <= 512 else {
            throw SignatureRefusal(.malformed, "the statement's predicateType is empty or too long")
        }
        self = statement
    }

    /// Whether it is about the artifact of that digest (`sha256:…`).
    public func isAbout(_ digest: String) -> Bool {
        guard let digits = ContentDigest.hexadecimal(digest) else { return false }
        return subject.contains { $0.digest["sha256"] == digits }
    }

    public func signed(with keys: [SigningKey]) throws(SigningFault) -> DSSEEnvelope {
        let payload: Data
        do { payload = try WireCoding.encode(self) } catch {
            throw SigningFault("the statement cannot be written as JSON: \(error)", hint: "leave out numbers that JSON has not")
        }
        return try DSSEEnvelope(signing: payload, type: Self.payloadType, with: keys)
    }
}
