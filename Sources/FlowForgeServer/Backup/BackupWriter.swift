internal import FlowForgeBundle
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// Writes one backup. Blocks the calling thread while it copies.
///
/// The database first, then the bundles: blobs are never changed, nor removed meanwhile
/// (`BundleRegistry.holdingBlobs`), so every bundle that the copy knows is in the copy of the folder.
struct BackupWriter {
    let store: Store
    let data: DataFolder
    let configuration: URL?
    let sealingKey: SealingKey?
    /// Where the backup becomes `<name>/`; until then it is `<name>.partial/`.
    let root: URL
    let name: String
    private let files = FileManager.default
    private var partial: URL { root.appending(path: "\(name).partial") }

    init(store: Store, data: DataFolder, configuration: URL?, sealingKey: SealingKey?, root: URL, name: String) {
        self.store = store
        self.data = data
        self.configuration = configuration
        self.sealingKey = sealingKey
        self.root = root
        self.name = name
    }

    /// Nothing is left behind by a failure.
    func write(madeAt: Date) throws -> Backup {
        try files.createDirectory(at: partial, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        do {
            try fill(madeAt: madeAt)
            let place = root.appending(path: name)
            try DurableFile.move(partial, to: place)
            return try Backup(place)
        } catch {
            try? files.removeItem(at: partial)
            throw error
        }
    }

    private func fill(madeAt: Date) throws {
        let copied = try store.copy(to: partial.appending(path: BackupLayout.database).path)
        var listed = [try sealed(BackupLayout.database)]
        var warnings: [String] = []
        listed += try copyBundles(known: copied.bundles, &warnings)
        for (name, source) in [
            (BackupLayout.caCertificate, data.caCertificate), (BackupLayout.serverCertificate, data.serverCertificate),
        ] {
            listed.append(try put(try Data(contentsOf: source), name, mode: 0o644))
        }
        if let configuration { listed.append(try put(try Data(contentsOf: configuration), BackupLayout.configuration)) }
        let key = Secret(try DataFolder.privateText(data.caKey))
        if let sealingKey {
            listed.append(try put(try sealingKey.seal(key, for: name), BackupLayout.sealedKey))
            let evidence = Secret(try DataFolder.privateText(data.evidenceKey))
            listed.append(
                try put(
                    try sealingKey.seal(evidence, for: name, BackupLayout.evidenceKey), BackupLayout.sealedEvidenceKey))
        } else {
            warnings.append("the CA's private key: there is no backup.sealing_key; keep a copy of ca.key elsewhere")
            warnings.append("the key that signs evidence: likewise; keep a copy of evidence.key elsewhere")
        }
        let manifest = BackupManifest(
            name: name, madeAt: madeAt, madeBy: FlowForgeVersion.current, lastAuditEntry: copied.lastAuditEntry, files: listed,
            caKeyDigest: ContentDigest.of(Data(key.reveal().utf8)), warnings: warnings)
        _ = try put(try WireCoding.encoder(pretty: true).encode(manifest), BackupManifest.fileName)
        for folder in ["bundles/blobs/sha256", "bundles/blobs", "bundles", "."] {
            try DurableFile.syncFolder(partial.appending(path: folder))
        }
    }

    private func copyBundles(known: [String], _ warnings: inout [String]) throws -> [BackupManifest.File] {
        var listed: [BackupManifest.File] = []
        let blobs = "\(BackupLayout.bundles)/blobs/sha256"
        try files.createDirectory(
            at: partial.appending(path: blobs), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for name in ["oci-layout", "index.json"] {
            listed.append(
                try put(try Data(contentsOf: data.bundles.appending(path: name)), "\(BackupLayout.bundles)/\(name)"))
        }
        let source = data.root.appending(path: blobs)
        for name in try files.contentsOfDirectory(atPath: source.path).sorted()
        where ContentDigest.isWellFormed("sha256:\(name)") {
            try linkOrCopy(source.appending(path: name), to: partial.appending(path: "\(blobs)/\(name)"))
            let file = try sealed("\(blobs)/\(name)")
            if file.digest != "sha256:\(name)" {
                warnings.append("the blob \(name) is damaged; push its bundle again, then make another backup")
                try files.removeItem(at: partial.appending(path: file.path))
            } else {
                listed.append(file)
            }
        }
        let present = Set(listed.map(\.digest))
        for digest in known where !present.contains(digest) {
            warnings.append("the bundle \(digest): its blob is missing or damaged; push it again, then make another backup")
        }
        return listed
    }

    /// A blob never changes, so another name for it does as well as a copy where the disk is the same.
    private func linkOrCopy(_ source: URL, to target: URL) throws {
        if link(source.path, target.path) == 0 { return }
        guard [EXDEV, EPERM, EMLINK, EOPNOTSUPP].contains(errno) else { throw DurableFile.failure("link", target) }
        try files.copyItem(at: source, to: target)
    }

    private func put(_ contents: Data, _ path: String, mode: UInt32 = 0o600) throws -> BackupManifest.File {
        try DurableFile.create(partial.appending(path: path), contents: contents, mode: mode)
        return BackupManifest.File(path: path, bytes: Int64(contents.count), digest: ContentDigest.of(contents))
    }

    /// Makes what is in a file durable and says what it is.
    private func sealed(_ path: String) throws -> BackupManifest.File {
        let file = partial.appending(path: path)
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DurableFile.failure("open", file) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw DurableFile.failure("sync", file) }
        let (digest, bytes) = try ContentDigest.ofFile(at: file)
        return BackupManifest.File(path: path, bytes: bytes, digest: digest)
    }
}
