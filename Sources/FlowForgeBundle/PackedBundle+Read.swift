internal import FlowForgeProtocol
public import Foundation

extension PackedBundle {
    /// Reads and checks the OCI manifest alone: digest, media types and limits. An agent starts here, to
    /// learn which config and layers to fetch.
    public static func readOCIManifest(_ bytes: Data, digest: String) throws(BundleRefusal) -> OCIManifest {
        guard bytes.count <= BundleLimits.ociManifestBytes else {
            throw BundleRefusal(.tooLarge, "the OCI manifest is larger than 64 KiB")
        }
        try verify(bytes, digest: digest, size: Int64(bytes.count), what: "OCI manifest")
        let head = try decode(OCIManifest.self, from: bytes, what: "OCI manifest")
        func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(BundleRefusal) {
            guard holds else { throw BundleRefusal(.malformed, "not a FlowForge bundle: \(what())") }
        }
        try require(head.schemaVersion == 2, "its schemaVersion is \(head.schemaVersion)")
        try require(head.mediaType == MediaType.imageManifest, "its mediaType is '\(head.mediaType.prefix(100))'")
        try require(head.artifactType == MediaType.bundle, "its artifactType is '\((head.artifactType ?? "").prefix(100))'")
        try require(head.subject == nil, "it refers to something else")
        try require(head.config.mediaType == MediaType.config, "its config is '\(head.config.mediaType.prefix(100))'")
        try require((1...BundleLimits.layers).contains(head.layers.count), "it has \(head.layers.count) layers")
        let largest = Int64(BundleLimits.layerBytes)
        for (part, limit) in [(head.config, Int64(BundleLimits.configBytes))] + head.layers.map({ ($0, largest) }) {
            try require(ContentDigest.isWellFormed(part.digest), "it names a digest that is none")
            try require(part.size >= 0, "it names a negative size")
            guard part.size <= limit else {
                throw BundleRefusal(.tooLarge, "a part of the bundle has \(part.size) bytes; at most \(limit) are allowed")
            }
        }
        for layer in head.layers {
            try require(layer.mediaType == MediaType.files, "its layer is '\(layer.mediaType.prefix(100))'")
        }
        guard head.layers.reduce(0, { $0 + $1.size }) <= largest else {
            throw BundleRefusal(.tooLarge, "the bundle's layers have more than the \(largest) bytes that are allowed")
        }
        return head
    }

    /// The manifest in a verified config blob. An agent calls this for a bundle that the control plane
    /// accepted; whoever accepts a bundle calls ``read(digest:blob:)``.
    public static func readConfig(_ bytes: Data, of head: OCIManifest) throws(BundleRefusal) -> Manifest {
        try verify(bytes, digest: head.config.digest, size: head.config.size, what: "config")
        return try decode(Manifest.self, from: bytes, what: "config")
    }

    /// Reads a whole bundle that others packed, and trusts nothing: every digest, size and media type
    /// is checked, the files are validated as `flowforge bundle validate` does, and the config must be
    /// what their `flowforge.yaml` says. `blob` returns the bytes of a digest, at most `limit` of them.
    public static func read(
        digest: String, blob: (_ digest: String, _ limit: Int) throws(BundleRefusal) -> Data
    ) throws(BundleRefusal) -> PackedBundle {
        let head = try readOCIManifest(try blob(digest, BundleLimits.ociManifestBytes), digest: digest)
        let config = try blob(head.config.digest, BundleLimits.configBytes)
        try verify(config, digest: head.config.digest, size: head.config.size, what: "config")
        let layers = try head.layers.map { layer throws(BundleRefusal) in
            let bytes = try blob(layer.digest, BundleLimits.layerBytes)
            try verify(bytes, digest: layer.digest, size: layer.size, what: "file layer")
            return bytes
        }

        let packed: PackedBundle
        do {
            packed = try BundleBuilder.build(try BundleArchive.files(in: layers))
        } catch let problems as BundleProblems {
            throw BundleRefusal(.malformed, "the bundle does not validate:\n\(problems)")
        } catch let refusal as BundleRefusal {
            throw refusal
        } catch {
            throw BundleRefusal(.malformed, "\(error)")
        }
        guard packed.digest == digest else {
            throw BundleRefusal(
                .malformed,
                "the bundle's config or layers are not what its files make, or it was packed by an incompatible version; "
                    + "build and push it again with this version's `flowforge`")
        }
        return packed
    }

    /// The bundle of that digest in the layout, read as ``read(digest:blob:)`` does.
    public static func read(digest: String, from layout: OCILayout) throws(BundleRefusal) -> PackedBundle {
        try read(digest: digest) { (digest, limit) throws(BundleRefusal) in try layout.read(digest, limit: limit) }
    }

    /// A bundle that ``read(digest:blob:)`` has accepted before: its blobs are still those of their digests, which is
    /// checked, so what was right about them is. That takes a fraction of the time, as nothing is validated again.
    public static func accepted(digest: String, from layout: OCILayout) throws(BundleRefusal) -> PackedBundle {
        let headBytes = try layout.read(digest, limit: BundleLimits.ociManifestBytes)
        let head = try readOCIManifest(headBytes, digest: digest)
        let config = try layout.read(head.config.digest, limit: BundleLimits.configBytes)
        let layers = try head.layers.map { layer throws(BundleRefusal) in
            try layout.read(layer.digest, limit: BundleLimits.layerBytes)
        }
        let files = try BundleArchive.files(in: layers)
        let lock = try files.first { $0.path == BundleLock.fileName }.map { file throws(BundleRefusal) in
            try decode(BundleLock.self, from: file.contents, what: BundleLock.fileName)
        }
        return PackedBundle(
            manifest: try readConfig(config, of: head), lock: lock, files: files, head: head, headBytes: headBytes,
            config: config, layers: layers)
    }

    private static func verify(_ bytes: Data, digest: String, size: Int64, what: String) throws(BundleRefusal) {
        guard bytes.count == size else {
            throw BundleRefusal(.digestMismatch, "the bundle's \(what) has \(bytes.count) bytes instead of \(size)")
        }
        guard ContentDigest.of(bytes) == digest else {
            throw BundleRefusal(.digestMismatch, "the bundle's \(what) is not that of digest \(digest.prefix(80))")
        }
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: Data, what: String
    ) throws(BundleRefusal) -> Value {
        do {
            return try WireCoding.decode(type, from: bytes)
        } catch {
            throw BundleRefusal(.malformed, "the bundle's \(what) cannot be read: it is not JSON of the form that we write")
        }
    }
}
