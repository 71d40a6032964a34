public import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore

/// Signs what the control plane itself found, such as the outcome of a gate, as in-toto statements about a bundle, and
/// keeps them as the bundle's referrers.
///
/// Only statements that this key signed count as evidence: whoever may push can attach other statements of the same kind.
public struct EvidenceSigner: Sendable {
    /// By which people know the control plane's own key.
    public static let name = "control-plane"

    private let key: SigningKey
    private let registry: BundleRegistry

    public init(key: SigningKey, registry: BundleRegistry) {
        self.key = key
        self.registry = registry
    }

    public var view: OperatorAPI.EvidenceKeyView {
        OperatorAPI.EvidenceKeyView(
            keyId: key.verifying.id, algorithm: key.verifying.algorithm.rawValue, pem: key.verifying.pem)
    }

    /// Signs a statement about the bundle `digest` and keeps it. Throws ``APIError`` `not_found` for no such bundle.
    @discardableResult
    public func attest(
        _ digest: String, predicateType: String, predicate: JSONValue, by actor: Actor
    ) async throws -> OperatorAPI.SignatureView {
        let evidence = try await prepare(digest, predicateType: predicateType, predicate: predicate)
        return try await registry.record(evidence.attestation, by: actor).referrer
    }

    /// A signed statement whose content is on disk, for ``Evidence/record(by:in:)`` in a transaction of the caller's: so a
    /// decision and its evidence are kept together or not at all. Never recorded, it is garbage, which is collected.
    public func prepare(_ digest: String, predicateType: String, predicate: JSONValue) async throws -> Evidence {
        let bundle = try await registry.show(digest).bundle
        let statement = InTotoStatement(subject: .init(bundle), predicateType: predicateType, predicate: predicate)
        let attestation = try Attestation(statement, of: try registry.descriptor(of: bundle.digest), signedWith: [key])
        try await registry.store(attestation)
        return Evidence(attestation: attestation)
    }

    /// The statements of one kind about a bundle that this control plane signed, oldest first.
    public func evidence(of digest: String, predicateType: String) async throws -> [Attestation] {
        let ring = KeyRing([.init(name: Self.name, key: key.verifying)])
        return try await registry.attestations(of: digest, predicateType: predicateType).compactMap { read in
            guard let attestation = try? read.get(),
                (try? attestation.verify(subject: digest, predicateTypes: [predicateType], trusting: ring)) != nil
            else { return nil }
            return attestation
        }
    }
}

/// A signed statement that is on disk and not yet recorded.
public struct Evidence: Sendable {
    public let attestation: Attestation
    /// Of the referrer's manifest.
    public var digest: String { attestation.digest }

    /// Records it within the caller's transaction.
    public func record(by actor: Actor, in session: Session) throws {
        try BundleRegistry.record(attestation, by: actor, session)
    }
}

extension BundleRegistry {
    /// Of the bundle's OCI manifest.
    func descriptor(of digest: String) throws -> OCIDescriptor {
        guard let size = try size(ofBlob: digest) else {
            throw APIError(.notFound, "the manifest of \(digest) is missing", hint: "push the bundle again")
        }
        return OCIDescriptor(mediaType: MediaType.imageManifest, digest: digest, size: size)
    }
}
