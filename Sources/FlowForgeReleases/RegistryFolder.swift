import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The registry's files: an OCI image layout, so that other tools can read and copy it, with two
/// folders beside it: `uploads`, what is being received, and `damaged`, blobs whose bytes no longer
/// match their name.
struct RegistryFolder: Sendable {
    let root: URL
    let layout: OCILayout

    private var uploads: URL { root.appending(path: "uploads") }
    private var damaged: URL { root.appending(path: "damaged") }

    /// Makes what is missing and removes uploads that a crash left behind. One process at a time: the
    /// store, which refuses a second one, is opened before.
    init(opening root: URL) throws {
        self.root = root
        layout = try OCILayout(creating: root)
        let files = FileManager.default
        for folder in [uploads, damaged] { try files.createDirectory(at: folder, withIntermediateDirectories: true) }
        for leftover in try files.contentsOfDirectory(at: uploads, includingPropertiesForKeys: nil) {
            try files.removeItem(at: leftover)
        }
    }

    /// Where the blob is, or would be. Throws ``APIError`` `invalid_request` for what is no digest.
    func place(of digest: String) throws(APIError) -> URL {
        guard let file = layout.file(of: digest) else {
            throw APIError(
                .invalidRequest, "digest: '\(digest.prefix(100))' is no digest",
                hint: "a digest is 'sha256:' and 64 lower-case hexadecimal digits")
        }
        return file
    }

    /// In bytes; `nil` when there is no such blob.
    func size(of digest: String) throws(APIError) -> Int64? {
        var status = stat()
        guard stat(try place(of: digest).path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// The bytes of a blob, verified. Throws ``BundleRefusal``.
    func read(_ digest: String, limit: Int) throws(BundleRefusal) -> Data { try layout.read(digest, limit: limit) }

    /// Stores small blobs that were made here. Durable when it returns.
    func write(_ bytes: Data) throws(APIError) {
        do { try layout.write(bytes) } catch { throw APIError(error) }
    }

    /// A name for an upload that no other has.
    func uploadFile() -> URL { uploads.appending(path: UUID().uuidString) }

    /// Reads and checks the whole bundle. Throws ``APIError`` `not_found`, `invalid_bundle`, or
    /// `storage_full`. Blobs that were damaged on disk are set aside, so that pushing again repairs them.
    func verified(_ digest: String) throws -> PackedBundle {
        try reading(digest) { () throws(BundleRefusal) in try PackedBundle.read(digest: digest, from: layout) }
    }

    /// A bundle that is recorded, and so was ``verified(_:)``: its digests are checked again. Throws as that does.
    func accepted(_ digest: String) throws -> PackedBundle {
        try reading(digest) { () throws(BundleRefusal) in try PackedBundle.accepted(digest: digest, from: layout) }
    }

    /// A bundle that was read before: its blobs' digests are checked again, and nothing is unpacked. Throws as ``verified(_:)``.
    func unharmed(_ bundle: PackedBundle) throws -> PackedBundle {
        try reading(bundle.digest) { () throws(BundleRefusal) in
            for blob in bundle.blobs { _ = try layout.read(blob.descriptor.digest, limit: BundleLimits.layerBytes) }
            return bundle
        }
    }

    private func reading(_ digest: String, _ read: () throws(BundleRefusal) -> PackedBundle) throws -> PackedBundle {
        do {
            return try read()
        } catch  where error.reason == .digestMismatch {
            let set = try setAsideDamaged(digest)
            guard set.isEmpty else {
                throw APIError(
                    .notFound, "damaged on the control plane's disk, and set aside: \(set.joined(separator: ", "))",
                    hint: "push the bundle again, which stores the blob anew; see \(damaged.path) on the control plane")
            }
            throw APIError(error)
        } catch {
            throw APIError(error)
        }
    }

    /// Of the bundle's blobs those whose bytes are not what their names say.
    private func setAsideDamaged(_ digest: String) throws -> [String] {
        var digests = [digest]
        if let bytes = try? layout.read(digest, limit: BundleLimits.ociManifestBytes),
            let head = try? WireCoding.decode(OCIManifest.self, from: bytes)
        {
            digests += [head.config.digest] + head.layers.map(\.digest)
        }
        return try digests.filter { digest in
            let file = try place(of: digest)
            guard try size(of: digest) != nil, try ContentDigest.ofFile(at: file).digest != digest else { return false }
            let kept = damaged.appending(path: "\(file.lastPathComponent).\(UUID().uuidString)")
            guard rename(file.path, kept.path) == 0 else { throw FileFault.current("set aside", file) }
            return true
        }
    }

    /// Names the bundle `name:version` in `index.json`, unless it is there already. Calls must follow one another.
    func name(_ bundle: PackedBundle) throws(APIError) {
        let reference = "\(bundle.manifest.name):\(bundle.manifest.version)"
        do {
            let listed = try layout.readIndex().manifests.contains {
                $0.digest == bundle.digest && $0.annotations?[OCIIndex.referenceKey] == reference
            }
            if !listed { try layout.name(bundle.descriptor, reference: reference) }
        } catch {
            throw APIError(error)
        }
    }
}

extension RegistryFolder {
    /// The digests of all blobs that are there.
    func blobs() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "blobs/sha256").path).sorted()
            .map { "sha256:\($0)" }.filter(ContentDigest.isWellFormed)
    }

    /// What `index.json` lists.
    func listed() throws(APIError) -> Set<String> {
        do { return Set(try layout.readIndex().manifests.map(\.digest)) } catch { throw APIError(error) }
    }

    /// Takes these out of `index.json`. Calls must follow one another.
    func unlist(_ digests: Set<String>) throws(APIError) {
        do { try layout.unlist(digests) } catch { throw APIError(error) }
    }

    /// Lists the referrer in `index.json`, unless it is there already. Calls must follow one another.
    func list(_ attestation: Attestation) throws(APIError) {
        do {
            let reference = OCILayout.reference(to: attestation)
            let listed = try layout.readIndex().manifests.contains { $0.digest == attestation.digest }
            if !listed { try layout.name(attestation.descriptor, reference: reference) }
        } catch {
            throw APIError(error)
        }
    }
}

extension APIError {
    /// What a refused bundle is to the caller of the API.
    init(_ refusal: BundleRefusal) {
        switch refusal.reason {
        case .missingBlob:
            self.init(.notFound, refusal.message, hint: "store every blob of the bundle before you push it")
        case .tooLarge:
            self.init(.tooLarge, refusal.message, hint: "keep data out of the bundle; it carries code and configuration only")
        case .digestMismatch, .malformed:
            self.init(.invalidBundle, refusal.message, hint: "build and push it with 'flowforge bundle push'")
        case .storage where refusal.message.contains(String(cString: strerror(ENOSPC))):
            self = .registryFull
        case .storage:
            self.init(.internalError, refusal.message, hint: "look at the control plane's disk, then try again")
        }
    }

    static let registryFull = APIError(
        .storageFull, "the disk of the control plane's registry is full",
        hint: "free space under the data folder and send it again; nothing of this upload was kept")
}
