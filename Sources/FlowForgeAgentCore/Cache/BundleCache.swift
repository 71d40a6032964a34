import Crypto
public import FlowForgeBundle
public import Foundation
import Synchronization

/// A bundle that was verified by its digest and lies unpacked on this machine.
public struct CachedBundle: Sendable {
    public var manifest: Manifest
    /// Read-only.
    public var folder: URL
}

/// The bundles of this machine, by digest: `<folder>/blobs/<hex>` and `<folder>/files/<hex>/`.
///
/// What arrives is checked against the digest that names it before it gets that name, so that a
/// compromised control plane cannot pass off other code as the bundle's. A download that was cut off
/// goes on where it stopped (`<hex>.partial`). Where the machine's owner demands signatures, none of a bundle is used
/// before one was verified (`<folder>/signatures`, ``BundleSignatures``). Callers who want one digest share its download. Past
/// `maxBytes` the bundles used least recently go, but none that is in use.
public actor BundleCache {
    private let folder: URL
    private let controlPlane: any ControlPlane
    private let maxBytes: Int64
    private let now: @Sendable () -> Date
    private let signatures: BundleSignatures
    /// Told of a bundle that nobody trusted has signed, where that is allowed.
    private let unsigned: @Sendable (_ digest: String, _ reason: String) -> Void
    private let downloads = SharedWork<String, CachedBundle>()
    /// Bundles that this process has verified and read.
    private var known: [String: CachedBundle] = [:]
    /// Attempts that work in a bundle's folder.
    private var users: [String: Int] = [:]

    /// - Parameter signatures: the keys that this machine's owner trusts.
    public init(
        folder: URL, controlPlane: any ControlPlane, maxBytes: Int64, signatures: SignaturePolicy = SignaturePolicy(),
        now: @escaping @Sendable () -> Date = Date.init,
        unsigned: @escaping @Sendable (_ digest: String, _ reason: String) -> Void = { _, _ in }
    ) throws {
        self.signatures = BundleSignatures(
            folder: folder.appending(path: "signatures"), policy: signatures, controlPlane: controlPlane)
        self.unsigned = unsigned
        self.folder = folder
        self.controlPlane = controlPlane
        self.maxBytes = maxBytes
        self.now = now
        try DiskFile.makeFolder(folder.appending(path: "blobs"), mode: 0o700)
        try DiskFile.makeFolder(folder.appending(path: "signatures"), mode: 0o700)
        let files = folder.appending(path: "files")
        try DiskFile.makeFolder(files, mode: 0o700)
        // What a crash left; see BundleArchive.unpack.
        for name in try FileManager.default.contentsOfDirectory(atPath: files.path) where name.hasPrefix(".") {
            try FileManager.default.removeItem(at: files.appending(path: name))
        }
    }

    /// The bundle, downloaded if need be, for the time of `body`: it is not removed meanwhile.
    ///
    /// - Throws: ``CacheError``, ``LinkError``, `BundleRefusal`, or what `body` throws.
    public func with<Value: Sendable>(
        _ digest: String, _ body: @Sendable (CachedBundle) async throws -> Value
    ) async throws -> Value {
        users[digest, default: 0] += 1
        defer { users[digest, default: 1] -= 1 }
        let bundle: CachedBundle
        if let found = known[digest], isThere(found, digest) {
            bundle = found
        } else {
            bundle = try await downloads.value(for: digest) { try await self.bundle(digest) }
            known[digest] = bundle
        }
        try FileManager.default.setAttributes([.modificationDate: now()], ofItemAtPath: head(of: digest).path)
        return try await body(bundle)
    }

    private func isThere(_ bundle: CachedBundle, _ digest: String) -> Bool {
        [bundle.folder, head(of: digest)].allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// The blob of the bundle's OCI manifest; its time is when the bundle was last used.
    private nonisolated func head(of digest: String) -> URL {
        folder.appending(path: "blobs").appending(path: ContentDigest.hexadecimal(digest) ?? "none")
    }

    private nonisolated func bundle(_ digest: String) async throws -> CachedBundle {
        guard let name = ContentDigest.hexadecimal(digest) else {
            throw CacheError.invalid(digest: String(digest.prefix(80)), reason: "not a digest")
        }
        try await checkSigners(digest)
        let head = try PackedBundle.readOCIManifest(
            try await blob(digest, limit: Int64(BundleLimits.ociManifestBytes)), digest: digest)
        let size = head.layers.reduce(head.config.size) { $0 + $1.size }
        guard size <= maxBytes else { throw CacheError.tooLarge(digest: digest, bytes: size) }
        let manifest = try PackedBundle.readConfig(try await blob(head.config.digest, limit: head.config.size), of: head)
        let files = folder.appending(path: "files").appending(path: name)
        if !FileManager.default.fileExists(atPath: files.path) {
            try await makeRoom(for: 2 * size)
            var layers: [(file: URL, descriptor: OCIDescriptor)] = []
            for layer in head.layers {
                // Another bundle that has the layer, too, is done with its own file of it at another time.
                layers.append((try await download(layer.digest, limit: layer.size, for: name), layer))
            }
            try BundleArchive.unpack(layers, into: files)
            // Unpacked, they would only take the space twice.
            for layer in layers where unlink(layer.file.path) != 0 { throw DiskError("remove", layer.file) }
        }
        return CachedBundle(manifest: manifest, folder: files)
    }

    private nonisolated func checkSigners(_ digest: String) async throws {
        guard !signatures.policy.keys.isEmpty else { return }
        do {
            if try await signatures.signers(of: digest).isEmpty { unsigned(digest, "no signature by a trusted key") }
        } catch let error where !signatures.policy.isRequired && !(error is CancellationError) {
            unsigned(digest, "\(error)")
        }
    }

    private nonisolated func blob(_ digest: String, limit: Int64) async throws -> Data {
        try Data(contentsOf: try await download(digest, limit: limit))
    }

    /// The blob's file, verified; `owner`'s own where one is given.
    private nonisolated func download(_ digest: String, limit: Int64, for owner: String? = nil) async throws -> URL {
        guard let name = ContentDigest.hexadecimal(digest) else {
            throw CacheError.invalid(digest: digest, reason: "not a digest")
        }
        let file = folder.appending(path: "blobs").appending(path: owner.map { "\($0).\(name)" } ?? name)
        if FileManager.default.fileExists(atPath: file.path) {
            // Disks rot and people meddle: what was left by another process is checked.
            if try ContentDigest.ofFile(at: file).digest == digest { return file }
            guard rename(file.path, file.path + ".corrupt") == 0 else { throw DiskError("rename", file) }
        }
        let partial = URL(filePath: file.path + ".partial")
        do {
            try await fetch(digest, into: partial, limit: limit)
        } catch is BlobRangeRefused {
            guard unlink(partial.path) == 0 || errno == ENOENT else { throw DiskError("remove", partial) }
            try await fetch(digest, into: partial, limit: limit)
        }
        guard try ContentDigest.ofFile(at: partial).digest == digest else {
            guard unlink(partial.path) == 0 else { throw DiskError("remove", partial) }
            throw CacheError.mismatch(part: "blob", digest: digest)
        }
        guard rename(partial.path, file.path) == 0 else { throw DiskError("rename", partial) }
        try DiskFile.sync(folder: file.deletingLastPathComponent())
        return file
    }

    private nonisolated func fetch(_ digest: String, into partial: URL, limit: Int64) async throws {
        let descriptor = open(partial.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DiskError("create", partial) }
        defer { close(descriptor) }
        let there = lseek(descriptor, 0, SEEK_END)
        guard there >= 0 else { throw DiskError("read", partial) }
        let end = Mutex(Int64(there))
        // Whole already, but not yet renamed when the power went.
        if there > 0, there >= limit { return }
        _ = try await controlPlane.blob(digest, from: Int64(there)) { bytes in
            try end.withLock { end in
                guard end + Int64(bytes.count) <= limit else { throw CacheError.tooLarge(digest: digest, bytes: limit + 1) }
                try DiskFile.write(bytes, to: descriptor, at: Int(end), file: partial)
                end += Int64(bytes.count)
            }
        }
        guard fsync(descriptor) == 0 else { throw DiskError("sync", partial) }
    }

    /// Removes what was used least recently until `bytes` more fit.
    private func makeRoom(for bytes: Int64) throws {
        let files = folder.appending(path: "files")
        let blobs = folder.appending(path: "blobs")
        var bundles: [(name: String, used: Date, bytes: Int64)] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: files.path) {
            // Others may be unpacking; they have counted themselves.
            if name.hasPrefix(".") { continue }
            let folder = files.appending(path: name)
            let used =
                try? FileManager.default.attributesOfItem(atPath: blobs.appending(path: name).path)[.modificationDate] as? Date
            bundles.append((name, used ?? .distantPast, try Self.size(of: folder)))
        }
        var total = bundles.reduce(0) { $0 + $1.bytes }
        for bundle in bundles.sorted(by: { $0.used < $1.used }) where total + bytes > maxBytes {
            guard users["sha256:" + bundle.name, default: 0] == 0 else { continue }
            try FileManager.default.removeItem(at: files.appending(path: bundle.name))
            let head = blobs.appending(path: bundle.name)
            if let bytes = try? Data(contentsOf: head),
                let manifest = try? PackedBundle.readOCIManifest(bytes, digest: "sha256:" + bundle.name),
                let config = ContentDigest.hexadecimal(manifest.config.digest)
            {
                unlink(blobs.appending(path: config).path)
            }
            guard unlink(head.path) == 0 || errno == ENOENT else { throw DiskError("remove", head) }
            signatures.forget("sha256:" + bundle.name)
            known["sha256:" + bundle.name] = nil
            total -= bundle.bytes
        }
    }

    private static func size(of folder: URL) throws -> Int64 {
        guard let files = FileManager.default.enumerator(atPath: folder.path) else { return 0 }
        var bytes: Int64 = 0
        while files.nextObject() != nil {
            bytes += (files.fileAttributes?[.size] as? Int64) ?? Int64((files.fileAttributes?[.size] as? Int) ?? 0)
        }
        return bytes
    }
}
