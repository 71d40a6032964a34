public import FlowForgeProtocol
public import Foundation

/// A bundle as it travels and is stored: an OCI manifest, whose digest is the bundle's, the config blob
/// (the ``Manifest`` as canonical JSON) and the files in layers (``BundleArchive``). See docs/bundle.md.
public struct PackedBundle: Hashable, Sendable {
    public let manifest: Manifest
    /// What ``manifest`` writes, as `flowforge bundle lock` found it; `nil` where the files have no lock.
    public let lock: BundleLock?
    /// Sorted by path.
    public let files: [BundleFile]
    public let ociManifest: OCIManifest
    /// The bytes that ``digest`` is of.
    public let ociManifestBytes: Data
    public let configBytes: Data
    /// As ``ociManifest`` lists them.
    public let layers: [Data]
    public let digest: String

    public var reference: BundleReference {
        BundleReference(name: manifest.name, version: manifest.version, digest: digest)
    }

    /// The OCI manifest's own descriptor, as an index lists it.
    public var descriptor: OCIDescriptor {
        OCIDescriptor(
            mediaType: MediaType.imageManifest, digest: digest, size: Int64(ociManifestBytes.count),
            artifactType: MediaType.bundle)
    }

    /// What to push, in an order in which nothing refers to a blob that is not there yet.
    public var blobs: [(descriptor: OCIDescriptor, bytes: Data)] {
        zip(ociManifest.layers, layers).map { ($0, $1) } + [(ociManifest.config, configBytes), (descriptor, ociManifestBytes)]
    }

    /// Packs files that were validated against `manifest` before; `lock` is what their `flowforge.lock` says.
    init(manifest: Manifest, lock: BundleLock?, files: [BundleFile]) throws(BundleRefusal) {
        self.lock = lock
        let layers = try BundleArchive.pack(files)
        let config = try Self.canonical(manifest)
        let head = OCIManifest(
            config: Self.descriptor(of: config, MediaType.config),
            files: layers.map { Self.descriptor(of: $0, MediaType.files) }, title: manifest.name, version: manifest.version)
        let headBytes = try Self.canonical(head)
        self.manifest = manifest
        self.files = files.sorted { BundlePath.precedes($0.path, $1.path) }
        ociManifest = head
        ociManifestBytes = headBytes
        configBytes = config
        self.layers = layers
        digest = ContentDigest.of(headBytes)
    }

    /// What ``accepted(digest:from:)`` has read.
    init(
        manifest: Manifest, lock: BundleLock?, files: [BundleFile], head: OCIManifest, headBytes: Data, config: Data,
        layers: [Data]
    ) {
        self.manifest = manifest
        self.lock = lock
        self.files = files
        ociManifest = head
        ociManifestBytes = headBytes
        configBytes = config
        self.layers = layers
        digest = ContentDigest.of(headBytes)
    }

    private static func descriptor(of bytes: Data, _ mediaType: String) -> OCIDescriptor {
        OCIDescriptor(mediaType: mediaType, digest: ContentDigest.of(bytes), size: Int64(bytes.count))
    }

    static func canonical(_ value: some Encodable) throws(BundleRefusal) -> Data {
        do {
            return try WireCoding.encode(value)
        } catch {
            throw BundleRefusal(.malformed, "the manifest cannot be written as JSON: \(error)")
        }
    }
}

extension PackedBundle {
    /// Writes every blob into the layout and names the bundle `<name>:<version>` there.
    public func write(to layout: OCILayout) throws(BundleRefusal) {
        for blob in blobs { try layout.write(blob.bytes) }
        try layout.name(descriptor, reference: "\(manifest.name):\(manifest.version)")
    }
}
