import FlowForgeBundle
public import FlowForgeProtocol
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Moves the pointers that outside readers follow, and clears away what dead attempts left.
public enum LakePublisher {
    /// `current.json`.
    struct Pointer: Codable {
        var snapshot: ID<Snapshot>
        var version: Int
        /// Relative to the asset's folder, also where the snapshot lies in another environment's.
        var location: String
        /// The environment in whose folder it lies; absent: the asset's own.
        var home: String?
    }

    /// Points `<asset>/current.json` and the link `<asset>/current` at the publication's snapshot,
    /// unless they already point at its version or a later one. Idempotent and safe against other
    /// publishers on this machine and on others that share the folder and its locks.
    ///
    /// The snapshot may lie in another environment's folder, and the asset may never have been written in
    /// its own: its folder is made then.
    ///
    /// Throws `TaskError` `snapshot_missing` where the snapshot is not in this lake, or cannot be reached
    /// from the asset's folder.
    public static func publish(_ publication: AgentAPI.Publication, lake: LakeFolder) throws {
        let asset = lake.asset(publication.asset, environment: publication.environment).path(percentEncoded: false)
        let snapshot = publication.snapshot
        let folder = try lake.snapshot(snapshot, of: publication.asset, environment: publication.environment)
        let target = lake.relativeLocation(
            of: snapshot, of: publication.asset, environment: publication.environment)
        guard FileManager.default.fileExists(atPath: folder.path(percentEncoded: false)) else { throw missing(publication) }
        if snapshot.home != nil { try DurableFiles.makeFolder(asset) }
        // Somebody may have put one environment's folder elsewhere, behind a link.
        guard FileManager.default.fileExists(atPath: "\(asset)/\(target)") else { throw missing(publication) }
        let lock = open("\(asset)/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else { return try DurableFiles.check(-1, "open", "\(asset)/.lock") }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { return try DurableFiles.check(-1, "lock", "\(asset)/.lock") }
        }
        let pointerFile = "\(asset)/current.json"
        var location = target
        var present: Pointer?
        if FileManager.default.fileExists(atPath: pointerFile) {
            present = try WireCoding.decode(Pointer.self, from: Data(contentsOf: URL(filePath: pointerFile)))
        }
        if let present, present.version >= snapshot.version {
            location = present.location
        } else {
            let pointer = Pointer(
                snapshot: snapshot.id, version: snapshot.version, location: target,
                home: target == snapshot.location ? nil : snapshot.home)
            try DurableFile.replace(URL(filePath: pointerFile), contents: WireCoding.encode(pointer))
        }
        // Also when the pointer was there already: a crash may have come between the two.
        try point("\(asset)/current", at: location)
    }

    /// Removes the staging folders of the attempts in `dead`, whatever asset they wrote. Other agents
    /// may be writing in the same lake. Returns how many it removed.
    @discardableResult
    public static func sweep(lake: LakeFolder, dead: Set<ID<Attempt>>) throws -> Int {
        var removed = 0
        guard !dead.isEmpty else { return 0 }
        for asset in try assets(of: lake) {
            let staging = asset.appending(path: ".staging")
            for attempt in try children(of: staging) where ID<Attempt>(attempt.lastPathComponent).map(dead.contains) == true {
                try FileManager.default.removeItem(at: attempt)
                removed += 1
            }
        }
        return removed
    }

    /// Swaps a relative symbolic link in one step.
    private static func point(_ link: String, at location: String) throws {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = buffer.withUnsafeMutableBytes { readlink(link, $0.baseAddress!, $0.count) }
        if length > 0, String(decoding: buffer[..<length], as: UTF8.self) == location { return }
        let temporary = "\(link).tmp-\(getpid())"
        unlink(temporary)
        try DurableFiles.check(symlink(location, temporary), "link", temporary)
        try DurableFiles.check(rename(temporary, link), "rename to", link)
        try DurableFiles.sync((link as NSString).deletingLastPathComponent)
    }

    private static func missing(_ publication: AgentAPI.Publication) -> TaskError {
        let home = publication.snapshot.home.map { " of environment '\($0)'" } ?? ""
        return TaskError(
            code: "snapshot_missing",
            message: "\(publication.asset)\(home) has no snapshot at \(publication.snapshot.location) in this agent's lake",
            hint: "check that all agents of the pool share one lake", retryable: true)
    }

    /// Folders that no environment, layer or table is named like (`lost+found`) are none of ours.
    private static func assets(of lake: LakeFolder) throws -> [URL] {
        try ([lake.root] + lake.roots.values).flatMap(children(of:)).filter { isPlainName($0.lastPathComponent, dashes: true) }
            .flatMap(children(of:)).filter { Layer(rawValue: $0.lastPathComponent) != nil }
            .flatMap(children(of:)).filter { isPlainName($0.lastPathComponent) }
    }

    /// The folders in a folder; none where it does not exist.
    private static func children(of folder: URL) throws -> [URL] {
        guard FileManager.default.fileExists(atPath: folder.path(percentEncoded: false)) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: [.isDirectoryKey])
            .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
    }
}
