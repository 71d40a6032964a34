public import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Foundation
public import Logging
internal import Synchronization

/// The bundles that were pushed: their blobs in an OCI image layout folder, their names and manifests
/// in the store. The store decides what exists; the folder may hold blobs of pushes that never ended.
public final class BundleRegistry: Sendable {
    /// In bytes.
    public static let largestBlob = Int64(BundleLimits.layerBytes)
    /// At the same time; each may hold ``largestBlob`` of disk.
    public static let mostUploads = 8

    let store: Store
    let folder: RegistryFolder
    let logger: Logger
    /// Whose signatures are needed to push a bundle.
    let signatures: SignaturePolicy
    /// What the control plane itself signs with, by its name.
    let own: [KeyRing.Entry]
    private let uploads = Mutex(0)
    let collection = BlobCollection()
    /// Verifies and lists one bundle after the other, so that memory holds one and `index.json` has one writer.
    let verifications = BlockingQueue("flowforge.bundle-verification")
    /// The bundles that were read last; what a digest stands for never changes.
    private let recent = Mutex<[PackedBundle]>([])
    private static let mostRecent = 8

    /// Opens the registry in `folder`, making it if it is not there.
    ///
    /// - Parameter own: keys of the control plane's own, which sign evidence and never a bundle.
    public init(
        store: Store, folder: URL, signatures: SignaturePolicy = SignaturePolicy(), own: [KeyRing.Entry] = [], logger: Logger
    ) throws {
        self.store = store
        self.signatures = signatures
        self.own = own
        self.folder = try RegistryFolder(opening: folder)
        self.logger = logger
    }

    // MARK: Blobs

    /// Whether the organisation of whoever asks has pushed the blob: who has not, does not get to know that it is there.
    public func owns(_ digest: String) async throws -> Bool {
        if Scope.current.isPlatform { return true }
        return try await store.read { try $0.organisations.firstForeign(of: [digest]) } == nil
    }

    /// Throws ``APIError`` `not_found` for the first that ``owns(_:)`` is false of.
    public func requireOwn(_ digests: [String]) async throws {
        if Scope.current.isPlatform { return }
        if let foreign = try await store.read({ try $0.organisations.firstForeign(of: digests) }) {
            throw Self.noBlob(foreign)
        }
    }

    private static func noBlob(_ digest: String) -> APIError {
        APIError(
            .notFound, "there is no blob '\(digest)'",
            hint: "push the bundle again with 'flowforge bundle push'; blobs that are there are not sent twice")
    }

    /// Throws ``APIError`` `invalid_request` for what is no digest.
    public func hasBlob(_ digest: String) throws -> Bool { try size(ofBlob: digest) != nil }

    /// In bytes; `nil` when there is no such blob.
    public func size(ofBlob digest: String) throws -> Int64? { try folder.size(of: digest) }

    /// The blob's file, which never changes. Throws ``APIError`` `not_found`.
    public func blob(_ digest: String) throws -> URL {
        guard try hasBlob(digest) else {
            throw Self.noBlob(digest)
        }
        return try folder.place(of: digest)
    }

    /// Stores the blob while it arrives, without holding it in memory. Returns whether it was new; one
    /// that is there already is left alone and `body` is not read, unless another organisation pushed it: whoever wants to
    /// refer to it shows that they have it.
    ///
    /// Throws ``APIError`` `digest_mismatch`, `too_large`, `storage_full` or `busy` (``mostUploads``),
    /// and what `body` throws when it is cut; in all cases nothing of the upload stays behind.
    public func putBlob<Body: AsyncSequence>(_ digest: String, from body: Body) async throws -> Bool
    where Body.Element: Collection<UInt8> & Sendable {
        _ = try folder.place(of: digest)
        if try await owns(digest), renew([digest]) { return false }
        let wasThere = try hasBlob(digest)
        try beginUpload()
        defer { uploads.withLock { $0 -= 1 } }
        let upload = try BlobUpload(to: folder.uploadFile(), largest: Self.largestBlob)
        do {
            for try await chunk in body { try await upload.append(chunk) }
            try await upload.finish(as: digest, at: try folder.place(of: digest))
        } catch {
            await upload.discard()
            throw error
        }
        if !Scope.current.isPlatform {
            try await store.write { try $0.organisations.claim(blob: digest, wasThere: wasThere) }
        }
        return true
    }

    private func beginUpload() throws(APIError) {
        let begun = uploads.withLock { count in
            guard count < Self.mostUploads else { return false }
            count += 1
            return true
        }
        guard begun else {
            throw APIError(
                .busy, "\(Self.mostUploads) blobs are being uploaded already", hint: "try again in a few seconds")
        }
    }

    // MARK: Bundles

    /// The whole bundle, which must be recorded; its digests are verified when it is read. Throws as ``push(digest:by:)`` does.
    func packed(_ digest: String) async throws -> PackedBundle {
        if let known = remembered(digest) { return known }
        let folder = folder
        let bundle = try await verifications.run { try folder.accepted(digest) }
        remember(bundle)
        return bundle
    }

    private func remembered(_ digest: String) -> PackedBundle? { recent.withLock { $0.first { $0.digest == digest } } }

    private func remember(_ bundle: PackedBundle) {
        recent.withLock { recent in
            recent.removeAll { $0.digest == bundle.digest }
            recent.insert(bundle, at: 0)
            if recent.count > Self.mostRecent { recent.removeLast() }
        }
    }

    /// Verifies the bundle whose OCI manifest is the blob `digest` (every blob against its digest, the
    /// manifest against the files) and records it. Pushing what is recorded changes nothing
    /// (`created` false).
    ///
    /// `attestations` are referrers whose blobs are stored too: each must be whole and about this bundle, and they are
    /// recorded with it. Where signatures are required, one of them, or of those recorded before, must be provenance that a
    /// trusted key signed.
    ///
    /// Throws ``APIError`` `not_found` for a blob that is missing, `invalid_bundle` for what is no sound
    /// bundle, `conflict` when the name and version belong to another digest, and of signatures `unsigned_bundle`,
    /// `untrusted_signature`, `attestation_subject`, `attestation_predicate` and `invalid_attestation`.
    public func push(
        digest: String, attestations: [String] = [], by actor: Actor
    ) async throws -> (bundle: OperatorAPI.BundleView, created: Bool) {
        let folder = folder
        _ = try folder.place(of: digest)
        try await requireOwn([digest])
        renew([digest])
        // What is recorded was found right before: pushed again, only its blobs can have been damaged.
        let isRecorded = try await store.read { session in
            try session.bundles.find(digest: digest).map { $0.removedAt == nil } ?? false
        }
        let known = isRecorded ? remembered(digest) : nil
        let bundle = try await verifications.run {
            if let known { return try folder.unharmed(known) }
            return isRecorded ? try folder.accepted(digest) : try folder.verified(digest)
        }
        // From here on its blobs are a day younger than garbage: it cannot be collected before it is recorded.
        renew(bundle.blobs.map(\.descriptor.digest))
        let digests = bundle.blobs.map(\.descriptor.digest)
        try await requireOwn(digests)
        if let gone = try digests.first(where: { try !hasBlob($0) }) { _ = try blob(gone) }
        let read = try await self.attestations(attestations, of: digest)
        let signers = try await checkSigners(of: digest, read)
        let manifest = bundle.manifest
        let bytes = bundle.blobs.reduce(0) { $0 + $1.descriptor.size }
        let (row, created) = try await store.write { session in
            if let row = try session.bundles.find(digest: digest) {
                try session.bundles.renew(digest: digest)
                for attestation in read { try Self.record(attestation, by: actor, session) }
                if row.removedAt != nil { try Self.audit(bundle, bytes, signers, by: actor, session) }
                return (row, row.removedAt != nil)
            }
            if let other = try session.bundles.find(name: manifest.name, version: manifest.version) {
                throw APIError(
                    .conflict,
                    "\(manifest.name)@\(manifest.version) was pushed before with other content (\(other.reference.digest))",
                    hint: "a version never changes: raise 'version' in flowforge.yaml and push again")
            }
            try session.organisations.share(blobs: digests)
            let row = try session.bundles.insert(
                digest: digest, manifest: manifest, lock: bundle.lock, bytes: bytes, by: actor.description)
            try Self.audit(bundle, bytes, signers, by: actor, session)
            for attestation in read { try Self.record(attestation, by: actor, session) }
            return (row, true)
        }
        remember(bundle)
        // Also for what was recorded before: the process may have ended between the two writes.
        try await verifications.run {
            try folder.name(bundle)
            for attestation in read { try folder.list(attestation) }
        }
        if created {
            logger.info(
                "bundle pushed",
                metadata: ["bundle": "\(manifest.name)@\(manifest.version)", "digest": "\(digest)", "by": "\(actor)"])
        }
        return (
            OperatorAPI.BundleView(
                row, manifest: manifest, lock: bundle.lock, signatures: try await signatures(of: digest)), created
        )
    }

    private static func audit(
        _ bundle: PackedBundle, _ bytes: Int64, _ signers: [KeyRing.Entry], by actor: Actor, _ session: Session
    ) throws {
        try session.audit.append(
            actor: actor, action: "bundle.push", subject: "\(bundle.manifest.name)@\(bundle.manifest.version)",
            detail: [
                "digest": .string(bundle.digest), "bytes": .integer(bytes),
                "signers": .array(signers.map { .string("\($0.name) \($0.key.id)") }),
            ])
    }

    /// Newest first, without flows. `after` is the `next` of the page before.
    public func list(after: String? = nil, limit: Int = 50) async throws -> OperatorAPI.Page<OperatorAPI.BundleView> {
        try await store.read { session in
            let before = try after.map { text in
                guard let row = try session.bundles.find(digest: text) else {
                    throw APIError(
                        .invalidRequest, "after: '\(text.prefix(80))' is the digest of no bundle",
                        hint: "give the 'next' of the page before")
                }
                return row.number
            }
            let rows = try session.bundles.list(before: before, limit: limit + 1)
            let page = rows.prefix(limit).map { OperatorAPI.BundleView($0, manifest: nil) }
            return OperatorAPI.Page(items: page, next: rows.count > limit ? page.last?.bundle.digest : nil)
        }
    }

    /// A bundle by `name@version`, or by its digest or the first 12 digits of it.
    public func show(_ text: String) async throws -> OperatorAPI.BundleView {
        guard let selector = BundleSelector(text) else {
            throw APIError(
                .invalidRequest, "'\(text.prefix(160))' is neither name@version nor a digest",
                hint: "give at least \(BundleSelector.shortestDigest) digits of a digest")
        }
        let (row, manifest, lock) = try await store.read { session in
            let row = try selector.resolve(in: session)
            return (
                row, try session.bundles.requiredManifest(row.reference), try session.bundles.lock(digest: row.reference.digest)
            )
        }
        return OperatorAPI.BundleView(
            row, manifest: manifest, lock: lock, signatures: try await signatures(of: row.reference.digest))
    }
}
