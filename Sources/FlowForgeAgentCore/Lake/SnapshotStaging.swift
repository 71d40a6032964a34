import FlowForgeProtocol
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The folder in which one attempt builds a snapshot, `<asset>/.staging/<attempt>`: invisible to
/// readers until ``seal(_:)`` renames it. A killed attempt leaves only this folder, which
/// ``LakePublisher/sweep(lake:dead:)`` removes.
struct SnapshotStaging: Sendable {
    let asset: URL
    let folder: URL
    let snapshot: ID<Snapshot>

    /// Makes the empty folder; what an earlier process of the same attempt left in it is removed.
    init(asset: URL, attempt: ID<Attempt>, snapshot: ID<Snapshot>) throws {
        self.asset = asset
        self.snapshot = snapshot
        folder = asset.appending(path: ".staging").appending(path: attempt.description)
        if FileManager.default.fileExists(atPath: folder.path(percentEncoded: false)) {
            try FileManager.default.removeItem(at: folder)
        }
        try FileManager.default.createDirectory(at: rows, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: quarantine, withIntermediateDirectories: true)
    }

    /// Becomes `snapshots/<id>`.
    var rows: URL { folder.appending(path: "rows") }
    /// Becomes `quarantine/<id>` unless it stays empty.
    var quarantine: URL { folder.appending(path: "quarantine") }
    /// Relative to the asset's folder, as `SnapshotReference.location` wants it.
    var location: String { "snapshots/\(snapshot)" }

    /// Puts a file of another snapshot here, without copying its bytes where the file system can.
    func link(_ file: SnapshotFile, from base: SnapshotFolder) throws {
        let target = rows.path(percentEncoded: false) + "/" + file.path
        try FileManager.default.createDirectory(
            atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        guard Glibc.link(base.path(of: file), target) != 0 else { return }
        // Too many links to one file, or a file system without them.
        guard [EMLINK, EPERM, ENOTSUP, EXDEV].contains(errno) else {
            return try DurableFiles.check(-1, "link", target)
        }
        try FileManager.default.copyItem(atPath: base.path(of: file), toPath: target)
    }

    /// Makes everything durable and gives the snapshot its name. Its rows come last: a snapshot that
    /// exists is complete.
    func seal(_ record: SnapshotRecord) throws {
        try WireCoding.encode(record).write(to: rows.appending(path: SnapshotRecord.fileName))
        try syncTree(rows)
        if try !FileManager.default.contentsOfDirectory(atPath: quarantine.path(percentEncoded: false)).isEmpty {
            try syncTree(quarantine)
            try move(quarantine, to: "quarantine")
        }
        try move(rows, to: "snapshots")
        try discard()
    }

    func discard() throws {
        if FileManager.default.fileExists(atPath: folder.path(percentEncoded: false)) {
            try FileManager.default.removeItem(at: folder)
        }
    }

    private func move(_ source: URL, to name: String) throws {
        let parent = asset.appending(path: name)
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        let target = parent.appending(path: snapshot.description).path(percentEncoded: false)
        try DurableFiles.check(rename(source.path(percentEncoded: false), target), "rename to", target)
        try DurableFiles.sync(parent.path(percentEncoded: false))
        try DurableFiles.sync(asset.path(percentEncoded: false))
    }

    private func syncTree(_ folder: URL) throws {
        let root = folder.path(percentEncoded: false)
        guard let names = FileManager.default.enumerator(atPath: root) else {
            throw CocoaError(.fileReadUnknown, userInfo: [NSFilePathErrorKey: root])
        }
        while let name = names.nextObject() as? String { try DurableFiles.sync("\(root)/\(name)") }
        try DurableFiles.sync(root)
    }
}
