/// An OCI 1.1 content descriptor.
public struct OCIDescriptor: Hashable, Sendable, Codable {
    public var mediaType: String
    public var digest: String
    public var size: Int64
    public var artifactType: String?
    public var annotations: [String: String]?
    /// The content itself, in base64, where it is so small that fetching it is not worth while.
    public var data: String?

    public init(
        mediaType: String, digest: String, size: Int64, artifactType: String? = nil, annotations: [String: String]? = nil,
        data: String? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.artifactType = artifactType
        self.annotations = annotations
        self.data = data
    }

    /// Of `{}`, the config of artifacts that need none (image-spec 1.1, guidance for an empty descriptor).
    public static let empty = OCIDescriptor(
        mediaType: MediaType.empty, digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", size: 2,
        data: "e30=")
}

/// An OCI 1.1 image manifest: the head of a packed bundle, whose digest is the bundle's, or of a referrer to one.
public struct OCIManifest: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    public var mediaType: String
    public var artifactType: String?
    public var config: OCIDescriptor
    /// The files of a bundle, in order; or the envelope of an attestation, exactly one.
    public var layers: [OCIDescriptor]
    /// Of a bundle: the title and version; no time, so that equal files make equal bytes.
    public var annotations: [String: String]?
    /// What a referrer refers to; a bundle refers to nothing.
    public var subject: OCIDescriptor?

    public init(config: OCIDescriptor, files: [OCIDescriptor], title: String, version: String) {
        schemaVersion = 2
        mediaType = MediaType.imageManifest
        artifactType = MediaType.bundle
        self.config = config
        layers = files
        annotations = [Self.titleKey: title, Self.versionKey: version]
    }

    /// A referrer: `layer` says something of `subject`.
    public init(
        artifactType: String, layer: OCIDescriptor, subject: OCIDescriptor, annotations: [String: String]
    ) {
        schemaVersion = 2
        mediaType = MediaType.imageManifest
        self.artifactType = artifactType
        config = .empty
        layers = [layer]
        self.annotations = annotations
        self.subject = subject
    }

    public static let titleKey = "org.opencontainers.image.title"
    public static let versionKey = "org.opencontainers.image.version"
}

/// `index.json` of an OCI image layout.
public struct OCIIndex: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    /// May be absent: skopeo writes none.
    public var mediaType: String?
    public var manifests: [OCIDescriptor]

    public init(manifests: [OCIDescriptor] = []) {
        schemaVersion = 2
        mediaType = MediaType.imageIndex
        self.manifests = manifests
    }

    /// Names a manifest within the layout.
    public static let referenceKey = "org.opencontainers.image.ref.name"
}
