internal import FlowForgeProtocol
public import Foundation

/// A signed statement as an OCI 1.1 referrer: an image manifest whose `subject` is the bundle's manifest and whose
/// one layer is the DSSE envelope.
///
/// Reading one checks that it is whole and that its parts fit each other; whether anybody trusted signed it, only
/// ``verify(subject:predicateTypes:trusting:)`` says.
public struct Attestation: Sendable, Hashable {
    public let envelope: DSSEEnvelope
    public let statement: InTotoStatement
    public let manifest: OCIManifest
    public let manifestBytes: Data
    public let envelopeBytes: Data
    /// Of the manifest.
    public let digest: String

    /// Says on a referrer what kind of statement it is, where others (BuildKit, attest tools) look for it too.
    public static let predicateKey = "in-toto.io/predicate-type"
    public static let largestManifest = 64 << 10
    /// Of one bundle; a reader looks at no more.
    public static let most = 1000

    /// - Parameter subject: the descriptor of what the statement is about.
    public init(_ statement: InTotoStatement, of subject: OCIDescriptor, signedWith keys: [SigningKey]) throws(SigningFault) {
        let envelope = try statement.signed(with: keys)
        let bytes = try envelope.encoded()
        do { try self.init(envelope: envelope, envelopeBytes: bytes, statement: statement, of: subject) } catch {
            throw SigningFault("the statement cannot be packed: \(error)", hint: "try again")
        }
    }

    private init(
        envelope: DSSEEnvelope, envelopeBytes: Data, statement: InTotoStatement, of subject: OCIDescriptor
    ) throws(BundleRefusal) {
        let layer = OCIDescriptor(
            mediaType: DSSEEnvelope.mediaType, digest: ContentDigest.of(envelopeBytes), size: Int64(envelopeBytes.count))
        manifest = OCIManifest(
            artifactType: MediaType.attestation, layer: layer,
            subject: OCIDescriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size),
            annotations: [Self.predicateKey: statement.predicateType])
        manifestBytes = try PackedBundle.canonical(manifest)
        digest = ContentDigest.of(manifestBytes)
        self.envelope = envelope
        self.envelopeBytes = envelopeBytes
        self.statement = statement
    }

    /// Packs an envelope that somebody else signed.
    public init(envelope bytes: Data, of subject: OCIDescriptor) throws(SignatureRefusal) {
        let envelope = try DSSEEnvelope(parsing: bytes)
        let statement = try InTotoStatement(in: envelope)
        do { try self.init(envelope: envelope, envelopeBytes: bytes, statement: statement, of: subject) } catch {
            throw SignatureRefusal(.malformed, error.message)
        }
    }

    /// As an index lists it.
    public var descriptor: OCIDescriptor {
        OCIDescriptor(
            mediaType: MediaType.imageManifest, digest: digest, size: Int64(manifestBytes.count),
            artifactType: MediaType.attestation, annotations: manifest.annotations)
    }

    /// What to push, in an order in which nothing refers to a blob that is not there yet.
    public var blobs: [(descriptor: OCIDescriptor, bytes: Data)] {
        [(.empty, Data("{}".utf8)), (manifest.layers[0], envelopeBytes), (descriptor, manifestBytes)]
    }

    public var bytes: Int64 { blobs.reduce(0) { $0 + $1.descriptor.size } }

    // MARK: Reading

    /// Reads the manifest of a referrer, which says what to fetch next.
    public static func readManifest(_ bytes: Data, digest: String) throws(SignatureRefusal) -> OCIManifest {
        func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(SignatureRefusal) {
            guard holds else { throw SignatureRefusal(.malformed, "\(digest.prefix(80)) is no attestation: \(what())") }
        }
        try require(bytes.count <= largestManifest, "its manifest has \(bytes.count) bytes")
        try require(ContentDigest.of(bytes) == digest, "its bytes are not those of the digest")
        let read = try? WireCoding.decode(OCIManifest.self, from: bytes)
        guard let head = read else { throw SignatureRefusal(.malformed, "\(digest.prefix(80)) is no OCI image manifest") }
        try require(head.schemaVersion == 2 && head.mediaType == MediaType.imageManifest, "it is no OCI image manifest")
        try require(head.artifactType == MediaType.attestation, "its artifactType is '\((head.artifactType ?? "").prefix(100))'")
        try require(head.config.digest == OCIDescriptor.empty.digest, "its config is not the empty one")
        try require(head.layers.count == 1, "it has \(head.layers.count) layers")
        let layer = head.layers[0]
        try require(layer.mediaType == DSSEEnvelope.mediaType, "its layer is '\(layer.mediaType.prefix(100))'")
        try require(ContentDigest.isWellFormed(layer.digest), "it names a digest that is none")
        try require((0...Int64(DSSEEnvelope.largest)).contains(layer.size), "its envelope has \(layer.size) bytes")
        guard let subject = head.subject, ContentDigest.isWellFormed(subject.digest) else {
            throw SignatureRefusal(.malformed, "\(digest.prefix(80)) is no attestation: it has no subject")
        }
        return head
    }

    /// Reads a referrer and its envelope; `blob` returns the bytes of a digest, at most `limit` of them.
    public init(
        digest: String, blob: (_ digest: String, _ limit: Int) throws(BundleRefusal) -> Data
    ) throws(SignatureRefusal) {
        let head: Data
        let envelope: Data
        let manifest: OCIManifest
        do {
            head = try blob(digest, Self.largestManifest)
        } catch { throw SignatureRefusal(.malformed, error.message) }
        manifest = try Self.readManifest(head, digest: digest)
        do {
            envelope = try blob(manifest.layers[0].digest, DSSEEnvelope.largest)
        } catch { throw SignatureRefusal(.malformed, error.message) }
        try self.init(digest: digest, manifest: manifest, manifestBytes: head, envelope: envelope)
    }

    /// - Parameter manifest: as ``readManifest(_:digest:)`` returned it for `manifestBytes`.
    public init(
        digest: String, manifest: OCIManifest, manifestBytes: Data, envelope bytes: Data
    ) throws(SignatureRefusal) {
        guard Int64(bytes.count) == manifest.layers[0].size, ContentDigest.of(bytes) == manifest.layers[0].digest else {
            throw SignatureRefusal(.malformed, "\(digest): the envelope is not the one of its manifest")
        }
        let envelope = try DSSEEnvelope(parsing: bytes)
        let statement = try InTotoStatement(in: envelope)
        if let said = manifest.annotations?[Self.predicateKey], said != statement.predicateType {
            throw SignatureRefusal(
                .predicate, "\(digest) says that it is '\(said.prefix(200))' and holds '\(statement.predicateType.prefix(200))'")
        }
        guard let subject = manifest.subject?.digest, statement.isAbout(subject) else {
            throw SignatureRefusal(
                .subject,
                "\(digest) refers to \(manifest.subject?.digest ?? "nothing"), and its statement is about something else")
        }
        self.envelope = envelope
        self.statement = statement
        self.manifest = manifest
        self.manifestBytes = manifestBytes
        envelopeBytes = bytes
        self.digest = digest
    }
}
