/// An OCI 1.1 content descriptor.
public struct OCIDescriptor: Hashable, Sendable, Codable {
    public var mediaType: String
    public var digest: String
    public var size: Int64
    public var artifactType: String?
    public var annotations: [String: String]?

    public init(
        mediaType: String, digest: String, size: Int64, artifactType: String? = nil, annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.artifactType = artifactType
        self.annotations = annotations
    }
}

/// An OCI 1.1 image manifest, the head of a packed bundle: its digest is the bundle's.
public struct OCIManifest: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    public var mediaType: String
    public var artifactType: String
    public var config: OCIDescriptor
    /// Exactly one: the files.
    public var layers: [OCIDescriptor]
    /// The title and version; no time, so that equal files make equal bytes.
    public var annotations: [String: String]

    public init(config: OCIDescriptor, files: OCIDescriptor, title: String, version: String) {
        schemaVersion = 2
        mediaType = MediaType.imageManifest
        artifactType = MediaType.bundle
        self.config = config
        layers = [files]
        annotations = [Self.titleKey: title, Self.versionKey: version]
    }

    public static let titleKey = "org.opencontainers.image.title"
    public static let versionKey = "org.opencontainers.image.version"
}

/// `index.json` of an OCI image layout.
public struct OCIIndex: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    public var mediaType: String
    public var manifests: [OCIDescriptor]

    public init(manifests: [OCIDescriptor] = []) {
        schemaVersion = 2
        mediaType = MediaType.imageIndex
        self.manifests = manifests
    }

    /// Names a manifest within the layout.
    public static let referenceKey = "org.opencontainers.image.ref.name"
}
