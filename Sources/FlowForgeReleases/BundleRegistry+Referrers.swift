public import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Signed statements about bundles: OCI referrers.
extension BundleRegistry {
    /// Records a referrer whose blobs are stored. Pushing what is recorded changes nothing (`created` false).
    ///
    /// Where signatures are required, a trusted key, or the control plane's own, must have signed it: otherwise anybody
    /// who may push could fill the list with noise.
    ///
    /// Throws ``APIError`` `not_found` for a bundle or blob that is missing, and what ``push(digest:attestations:by:)`` says of
    /// signatures.
    public func pushReferrer(
        _ digest: String, of bundle: String, by actor: Actor
    ) async throws -> (referrer: OperatorAPI.SignatureView, created: Bool) {
        _ = try folder.place(of: bundle)
        _ = try await store.read { try Self.required(bundle, $0) }
        let attestation = try await attestations([digest], of: bundle)[0]
        let trusted = KeyRing(signatures.keys.entries + own)
        if signatures.isRequired, attestation.envelope.signers(among: trusted).isEmpty {
            throw APIError(untrusted(attestation), self)
        }
        return try await record(attestation, by: actor)
    }

    /// Stores the blobs of an attestation that was made here, durably; nothing refers to them yet. Who goes on to
    /// ``record(_:by:_:)`` within a day finds them there.
    public func store(_ attestation: Attestation) async throws {
        let folder = folder
        try await verifications.run {
            for blob in attestation.blobs { try folder.write(blob.bytes) }
        }
        renew(attestation.blobs.map(\.descriptor.digest))
    }

    /// Records an attestation whose blobs are stored, as one transaction.
    public func record(
        _ attestation: Attestation, by actor: Actor
    ) async throws -> (referrer: OperatorAPI.SignatureView, created: Bool) {
        let (row, created) = try await store.write { try Self.record(attestation, by: actor, $0) }
        let folder = folder
        try await verifications.run { try folder.list(attestation) }
        return (view(row, attestation), created)
    }

    /// Records an attestation whose blobs are stored, within the caller's transaction. `index.json` does not list it until the
    /// next push of the bundle or referrer: that file is for other tools, the store is what counts.
    @discardableResult
    public static func record(
        _ attestation: Attestation, by actor: Actor, _ session: Session
    ) throws -> (row: ReferrerRow, created: Bool) {
        if let row = try session.referrers.find(attestation.digest) { return (row, false) }
        let subject = attestation.manifest.subject?.digest ?? ""
        let bundle = try required(subject, session)
        guard try session.referrers.count(of: subject) < Attestation.most else {
            throw APIError(
                .conflict, "\(bundle.reference.name)@\(bundle.reference.version) has \(Attestation.most) referrers already",
                hint: "push a new version of the bundle; referrers go with their bundle")
        }
        let row = try session.referrers.insert(
            ReferrerDraft(
                digest: attestation.digest, subject: subject, envelope: attestation.manifest.layers[0].digest,
                artifactType: attestation.manifest.artifactType ?? "",
                predicateType: attestation.statement.predicateType, annotations: attestation.manifest.annotations ?? [:],
                manifestBytes: Int64(attestation.manifestBytes.count), bytes: attestation.bytes),
            by: actor.description)
        try session.audit.append(
            actor: actor, action: "bundle.attest", subject: "\(bundle.reference.name)@\(bundle.reference.version)",
            detail: [
                "digest": .string(subject), "referrer": .string(attestation.digest),
                "predicateType": .string(attestation.statement.predicateType),
                "keyIds": .array(attestation.envelope.claimedKeyIDs.map { .string($0) }),
            ])
        return (row, true)
    }

    /// The referrers to a bundle as an OCI index, the oldest first. Throws ``APIError`` `not_found` for no bundle.
    public func referrers(of bundle: String, artifactType: String? = nil) async throws -> ReferrerIndex {
        _ = try folder.place(of: bundle)
        let rows = try await store.read { session in
            _ = try Self.required(bundle, session)
            return try session.referrers.list(of: bundle, artifactType: artifactType)
        }
        return ReferrerIndex(
            manifests: rows.map {
                .init(
                    mediaType: MediaType.imageManifest, digest: $0.digest, size: $0.manifestBytes, artifactType: $0.artifactType,
                    annotations: $0.annotations)
            })
    }

    /// What is recorded of a bundle, read and checked, oldest first; a referrer whose blobs are damaged is a failure.
    public func attestations(of bundle: String, predicateType: String? = nil) async throws -> [Result<
        Attestation, SignatureRefusal
    >] {
        try await recorded(bundle).filter { predicateType == nil || $0.row.predicateType == predicateType }.map(\.read)
    }

    // MARK: What is recorded

    private func recorded(
        _ bundle: String
    ) async throws -> [(row: ReferrerRow, read: Result<Attestation, SignatureRefusal>)] {
        let rows = try await store.read { try $0.referrers.list(of: bundle) }
        guard !rows.isEmpty else { return [] }
        let folder = folder
        return try await verifications.run {
            rows.map { row in
                let read = Result { () throws(SignatureRefusal) in
                    try Attestation(digest: row.digest) { (digest, limit) throws(BundleRefusal) in
                        try folder.read(digest, limit: limit)
                    }
                }
                return (row, read)
            }
        }
    }

    func signatures(of bundle: String) async throws -> [OperatorAPI.SignatureView] {
        try await recorded(bundle).map { row, read in view(row, try? read.get()) }
    }

    private func view(_ row: ReferrerRow, _ attestation: Attestation?) -> OperatorAPI.SignatureView {
        let signers = attestation?.envelope.signers(among: KeyRing(signatures.keys.entries + own)) ?? []
        return OperatorAPI.SignatureView(
            digest: row.digest, predicateType: row.predicateType,
            signers: signers.map { OperatorAPI.Signer(name: $0.name, keyId: $0.key.id) }, pushedAt: row.pushedAt,
            pushedBy: row.pushedBy)
    }

    private static func required(_ digest: String, _ session: Session) throws -> BundleRow {
        guard let row = try session.bundles.find(digest: digest), row.removedAt == nil else {
            throw APIError(
                .notFound, "there is no bundle '\(digest.prefix(80))'",
                hint: "push the bundle first; a referrer names it by its whole digest")
        }
        return row
    }

    // MARK: What is being pushed

    /// Reads referrers whose blobs are stored. Throws ``APIError`` for the first that is missing, not whole or about another bundle.
    func attestations(_ digests: [String], of bundle: String) async throws -> [Attestation] {
        guard digests.count <= 20 else {
            throw APIError(
                .invalidRequest, "attestations: \(digests.count) are given; at most 20 are taken with a bundle",
                hint: "push the others one by one: POST \(OperatorAPI.basePath)/bundles/DIGEST/referrers")
        }
        try await requireOwn(digests)
        for digest in digests where try !hasBlob(digest) {
            throw APIError(
                .notFound, "the attestation \(digest) is not stored", hint: "store its blobs before you push it")
        }
        renew(digests + [OCIDescriptor.empty.digest])
        let folder = folder
        let read = try await verifications.run {
            try digests.map { digest in
                do {
                    let attestation = try Attestation(digest: digest) { (digest, limit) throws(BundleRefusal) in
                        try folder.read(digest, limit: limit)
                    }
                    guard attestation.manifest.subject?.digest == bundle else {
                        throw SignatureRefusal(
                            .subject,
                            "\(digest) is about \(attestation.manifest.subject?.digest ?? "nothing"), not about \(bundle)")
                    }
                    return attestation
                } catch let error as SignatureRefusal {
                    throw APIError(error, self)
                }
            }
        }
        try await requireOwn(read.map { $0.manifest.layers[0].digest })
        renew(read.map { $0.manifest.layers[0].digest })
        return read
    }

    /// Who signed the bundle, of those that are trusted. Throws ``APIError`` where that is required and nobody did.
    func checkSigners(of bundle: String, _ pushed: [Attestation]) async throws -> [KeyRing.Entry] {
        let before = try await recorded(bundle).map(\.read)
        do {
            return try signatures.signers(of: bundle, among: pushed.map { .success($0) } + before)
        } catch {
            throw APIError(error, self)
        }
    }

    private func untrusted(_ attestation: Attestation) -> SignatureRefusal {
        SignatureRefusal(
            .untrusted,
            "\(attestation.digest) bears no good signature by a trusted key (signed by "
                + "\(attestation.envelope.claimedKeyIDs.joined(separator: ", ")))")
    }
}

extension APIError {
    /// What a refused signature is to the caller of the API.
    init(_ refusal: SignatureRefusal, _ registry: BundleRegistry) {
        let trusted = registry.signatures.keys.entries.map(\.key.id).joined(separator: " ")
        let metadata = trusted.isEmpty ? [:] : ["trustedKeyIds": trusted]
        switch refusal.reason {
        case .unsigned:
            self.init(
                .unsignedBundle, refusal.message, hint: "push it with --key FILE, or with FLOWFORGE_SIGNING_KEY set",
                metadata: metadata)
        case .untrusted:
            self.init(
                .untrustedSignature, refusal.message,
                hint: "sign with a trusted key, or add the public key to signatures.keys of the control plane's configuration",
                metadata: metadata)
        case .subject:
            self.init(.attestationSubject, refusal.message, hint: "sign the bundle that you push", metadata: metadata)
        case .predicate:
            self.init(
                .attestationPredicate, refusal.message, hint: "sign it with `flowforge bundle sign`, which makes SLSA provenance",
                metadata: metadata)
        case .malformed:
            self.init(.invalidAttestation, refusal.message, hint: "sign it anew with `flowforge bundle sign`", metadata: metadata)
        }
    }
}
