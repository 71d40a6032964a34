internal import FlowForgeProtocol
public import Foundation

/// A folder in the OCI image layout (image-spec 1.1): `oci-layout`, `index.json` and
/// `blobs/sha256/<digest>`. Other tools (skopeo, oras) read it as it is.
///
/// Blobs are immutable and written atomically, so any number of writers may add them. `index.json` is
/// read, changed and replaced: one writer at a time.
public struct OCILayout: Hashable, Sendable {
    public let folder: URL

    /// Makes the layout if it is not there; refuses a folder that holds another version of one.
    public init(creating folder: URL) throws(BundleRefusal) {
        self.folder = folder
        let marker = folder.appending(path: "oci-layout")
        try Self.storing("create the OCI layout \(folder.path)") {
            try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
            if !FileManager.default.fileExists(atPath: index.path) {
                try DurableFile.replace(index, contents: WireCoding.encode(OCIIndex()))
            }
            if !FileManager.default.fileExists(atPath: marker.path) {
                try DurableFile.replace(marker, contents: WireCoding.encode(Marker()))
            }
        }
        try checkMarker()
    }

    /// A layout that must be there.
    public init(opening folder: URL) throws(BundleRefusal) {
        self.folder = folder
        try checkMarker()
    }

    /// The file of a blob, whether it is there or not; `nil` for a digest that is not well-formed.
    public func file(of digest: String) -> URL? {
        ContentDigest.hexadecimal(digest).map { blobs.appending(path: $0, directoryHint: .notDirectory) }
    }

    public func contains(_ digest: String) -> Bool {
        file(of: digest).map { FileManager.default.fileExists(atPath: $0.path) } ?? false
    }

    /// Stores a blob under its digest. Storing it again changes nothing, unless what is there was
    /// damaged, which it repairs.
    @discardableResult
    public func write(_ blob: Data) throws(BundleRefusal) -> String {
        let digest = ContentDigest.of(blob)
        guard let file = file(of: digest) else { return digest }
        if contains(digest), let stored = try? ContentDigest.ofFile(at: file), stored.digest == digest { return digest }
        try Self.storing("store the blob \(digest)") { try DurableFile.replace(file, contents: blob) }
        return digest
    }

    /// Takes over a file (of the same file system, already synced to disk) whose digest the caller
    /// has just computed while writing it. It takes the place of a blob that is there already, which
    /// has the same bytes or was damaged.
    public func adopt(_ upload: URL, digest: String) throws(BundleRefusal) {
        guard let file = file(of: digest) else {
            throw BundleRefusal(.malformed, "'\(digest.prefix(80))' is not a digest (sha256:<64 hexadecimal digits>)")
        }
        try Self.storing("store the blob \(digest)") {
            try DurableFile.move(upload, to: file)
        }
    }

    /// The bytes of a blob, verified. Files of more than `limit` bytes are refused unread.
    public func read(_ digest: String, limit: Int) throws(BundleRefusal) -> Data {
        guard let file = file(of: digest), let size = fileSize(file) else {
            throw BundleRefusal(.missingBlob, "the blob \(digest.prefix(80)) is not there; push the bundle again")
        }
        guard size <= limit else {
            throw BundleRefusal(.tooLarge, "the blob \(digest) has \(size) bytes; at most \(limit) are allowed")
        }
        let data = try Self.storing("read the blob \(digest)") { try Data(contentsOf: file, options: .mappedIfSafe) }
        guard ContentDigest.of(data) == digest else {
            throw BundleRefusal(.digestMismatch, "the blob \(digest) was damaged on disk; push the bundle again")
        }
        return data
    }

    public func readIndex() throws(BundleRefusal) -> OCIIndex {
        let data = try Self.storing("read \(index.path)") { try Data(contentsOf: index) }
        do {
            return try WireCoding.decode(OCIIndex.self, from: data)
        } catch {
            throw BundleRefusal(.malformed, "\(index.path) is not an OCI index")
        }
    }

    /// Lists the manifest in the index under `reference`, in the place of what had that name before.
    public func name(_ manifest: OCIDescriptor, reference: String) throws(BundleRefusal) {
        var content = try readIndex()
        content.manifests.removeAll { $0.annotations?[OCIIndex.referenceKey] == reference }
        var manifest = manifest
        manifest.annotations = (manifest.annotations ?? [:]).merging([OCIIndex.referenceKey: reference]) { $1 }
        content.manifests.append(manifest)
        let changed = content
        try Self.storing("write \(index.path)") { try DurableFile.replace(index, contents: WireCoding.encode(changed)) }
    }

    /// Takes manifests of these digests out of the index. Their blobs stay.
    public func unlist(_ digests: Set<String>) throws(BundleRefusal) {
        var content = try readIndex()
        let before = content.manifests.count
        content.manifests.removeAll { digests.contains($0.digest) }
        guard content.manifests.count != before else { return }
        let changed = content
        try Self.storing("write \(index.path)") { try DurableFile.replace(index, contents: WireCoding.encode(changed)) }
    }

    private struct Marker: Codable {
        var imageLayoutVersion = "1.0.0"
    }

    private var blobs: URL { folder.appending(path: "blobs/sha256", directoryHint: .isDirectory) }
    private var index: URL { folder.appending(path: "index.json", directoryHint: .notDirectory) }

    private func checkMarker() throws(BundleRefusal) {
        let marker = folder.appending(path: "oci-layout")
        guard let data = try? Data(contentsOf: marker), let content = try? WireCoding.decode(Marker.self, from: data) else {
            throw BundleRefusal(.malformed, "\(folder.path) is not an OCI layout: it has no readable file 'oci-layout'")
        }
        guard content.imageLayoutVersion == "1.0.0" else {
            throw BundleRefusal(
                .malformed, "\(folder.path) is an OCI layout of version \(content.imageLayoutVersion); 1.0.0 is understood")
        }
    }

    private func fileSize(_ file: URL) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? NSNumber)?.intValue
    }

    private static func storing<T>(_ what: String, _ body: () throws -> T) throws(BundleRefusal) -> T {
        do { return try body() } catch { throw BundleRefusal(.storage, "cannot \(what): \(error)") }
    }
}
