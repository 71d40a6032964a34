import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// The registry's files: an OCI image layout
/// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md), so that other tools can
/// read and copy it, with two folders beside it: `uploads`, what is being received, and `damaged`,
/// blobs whose bytes no longer match their name.
struct RegistryFolder: Sendable {
    let root: URL

    private var blobs: URL { root.appending(path: "blobs/sha256") }
    private var uploads: URL { root.appending(path: "uploads") }
    private var damaged: URL { root.appending(path: "damaged") }
    private var index: URL { root.appending(path: "index.json") }

    /// Makes what is missing and removes uploads that a crash left behind. Call before serving.
    func open() throws {
        let files = FileManager.default
        for folder in [blobs, uploads, damaged] {
            try files.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        for leftover in try files.contentsOfDirectory(at: uploads, includingPropertiesForKeys: nil) {
            try files.removeItem(at: leftover)
        }
        let marker = root.appending(path: "oci-layout")
        if !files.fileExists(atPath: marker.path) {
            try replaceFile(marker, with: Data(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        }
        if !files.fileExists(atPath: index.path) { try replaceFile(index, with: try WireCoding.encode(OCIIndex())) }
    }

    /// `digest` is a whole digest (``isDigest(_:)``).
    func place(of digest: String) -> URL { blobs.appending(path: String(digest.dropFirst(7))) }

    /// In bytes; `nil` when there is no such blob.
    func size(of digest: String) -> Int64? {
        var status = stat()
        guard stat(place(of: digest).path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// A name for an upload that no other has.
    func uploadFile() -> URL { uploads.appending(path: UUID().uuidString) }

    /// Takes a blob out of the layout and keeps it for whoever looks into the damage; the same blob
    /// can then be uploaded again.
    func setAside(_ digest: String) throws {
        let kept = damaged.appending(path: "\(digest.dropFirst(7)).\(UUID().uuidString)")
        guard rename(place(of: digest).path, kept.path) == 0 else { throw FileFault.current("set aside", place(of: digest)) }
    }

    /// Adds the bundle to `index.json` under the name `name:version`, if it is not there yet.
    /// Calls must follow one another.
    func list(_ bundle: BundleReference, manifestBytes: Int64) throws {
        var content = try WireCoding.decode(OCIIndex.self, from: Data(contentsOf: index))
        let entry = OCIIndex.Entry(bundle, bytes: manifestBytes)
        guard !content.manifests.contains(entry) else { return }
        content.manifests.append(entry)
        try replaceFile(index, with: try WireCoding.encode(content))
    }
}

/// `index.json` of an image layout, as far as we write it.
struct OCIIndex: Codable {
    struct Entry: Codable, Hashable {
        var mediaType = "application/vnd.oci.image.manifest.v1+json"
        var digest: String
        var size: Int64
        var artifactType = "application/vnd.flowforge.bundle.v1"
        var annotations: [String: String]

        init(_ bundle: BundleReference, bytes: Int64) {
            digest = bundle.digest
            size = bytes
            annotations = ["org.opencontainers.image.ref.name": "\(bundle.name):\(bundle.version)"]
        }
    }

    var schemaVersion = 2
    var mediaType = "application/vnd.oci.image.index.v1+json"
    var manifests: [Entry] = []
}

/// Whether `text` is `sha256:` and 64 lower-case hexadecimal digits, and so safe in a path.
func isDigest(_ text: String) -> Bool {
    text.utf8.count == 71 && text.hasPrefix("sha256:") && text.utf8.dropFirst(7).allSatisfy(\.isLowerHexDigit)
}
