public import FlowForgeProtocol
public import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// Puts a backup into a data folder, wholly or not at all.
///
/// Everything is first copied to `restoring/` in the data folder and checked there; only then is what
/// was there moved aside (never deleted) and the copy moved into its place. While `restoring` is there
/// no control plane starts on the folder, and running the restore again begins anew; so whatever
/// interrupts it, the folder is the old one, the new one, or one that says that it is neither.
public struct BackupRestore: Sendable {
    /// Where the CA's private key comes from, which no backup holds in clear.
    public enum KeySource: Sendable {
        case sealed(SealingKey)
        case copy(Secret)
    }

    public struct Outcome: Codable, Sendable, Hashable {
        public var dataFolder: String
        public var backup: String
        public var madeAt: Date
        /// Where what was there before lies now.
        public var replaced: String?
    }

    public let backup: Backup
    public let target: URL
    public let replaces: Bool
    public let key: KeySource
    private let files = FileManager.default

    /// - Parameter replaces: whether a data folder that is not empty may be replaced.
    public init(_ backup: Backup, to target: URL, replaces: Bool, key: KeySource) {
        self.backup = backup
        self.target = target
        self.replaces = replaces
        self.key = key
    }

    /// Throws ``BackupFault`` and leaves the folder as it was, unless it failed while files were being
    /// moved; then the folder cannot be served until the restore has been run again.
    public func run(now: Date = Date()) throws -> Outcome {
        let key = try caKey()
        let isNew = !files.fileExists(atPath: target.path)
        do {
            try files.createDirectory(
                at: target, withIntermediateDirectories: true, attributes: isNew ? [.posixPermissions: 0o700] : nil)
        } catch {
            throw BackupFault("cannot make \(target.path): \(error.localizedDescription)", hint: "check its owner and mode")
        }
        let lock = try locked()
        defer { withExtendedLifetime(lock) {} }
        // An interrupted restore may have moved things already: that the folder may be replaced was said then.
        let wasInterrupted = files.fileExists(atPath: place(BackupLayout.restoring).path)
        let present = try contents()
        guard present.isEmpty || replaces || wasInterrupted else {
            throw BackupFault(
                "\(target.path) is not empty (\(present.sorted()[0]))",
                hint: "restore into an empty folder, or give --replace, which moves what is there aside")
        }
        do {
            try stage(key, now: now)
        } catch {
            if !wasInterrupted { try? files.removeItem(at: place(BackupLayout.restoring)) }
            throw error
        }
        let replaced = try swap(present, now: now)
        return Outcome(
            dataFolder: target.path, backup: backup.manifest.name, madeAt: backup.manifest.madeAt, replaced: replaced?.path)
    }

    /// The key, if it is the one of the backup's control plane.
    private func caKey() throws -> Secret {
        let key: Secret
        switch self.key {
        case .copy(let text): key = text
        case .sealed(let sealing):
            guard backup.manifest.hasSealedKey else {
                throw BackupFault(
                    "the backup has no sealed CA key", hint: "give the copy of ca.key that you keep elsewhere, with --ca-key")
            }
            let sealed = try Data(contentsOf: backup.folder.appending(path: BackupLayout.sealedKey))
            guard let opened = sealing.open(sealed, of: backup.manifest.name) else {
                throw BackupFault(
                    "the sealing key does not open the backup's CA key", hint: "give the key that `backup.sealing_key` named then"
                )
            }
            key = opened
        }
        guard ContentDigest.of(Data(key.reveal().utf8)) == backup.manifest.caKeyDigest else {
            throw BackupFault(
                "the CA key is not the one of the control plane that was backed up", hint: "give the right copy of ca.key")
        }
        return key
    }

    /// `nil` for a backup without it, and where the CA's key is a copy from elsewhere: then the control plane makes a new one,
    /// unless the old one is put back too.
    private func evidenceKey() throws -> Secret? {
        guard case .sealed(let sealing) = key,
            backup.manifest.files.contains(where: { $0.path == BackupLayout.sealedEvidenceKey })
        else { return nil }
        let sealed = try Data(contentsOf: backup.folder.appending(path: BackupLayout.sealedEvidenceKey))
        guard let opened = sealing.open(sealed, of: backup.manifest.name, BackupLayout.evidenceKey) else {
            throw BackupFault(
                "the backup is damaged: \(BackupLayout.sealedEvidenceKey) does not open", hint: "use another backup")
        }
        return opened
    }

    private func locked() throws -> FolderLock {
        do {
            return try FolderLock(place(BackupLayout.lock))
        } catch .held {
            throw BackupFault("a control plane serves \(target.path), or another restore is under way", hint: "stop it first")
        } catch .system(let operation, let code) {
            throw BackupFault(
                "cannot \(operation) \(place(BackupLayout.lock).path): \(String(cString: strerror(code)))",
                hint: "check the owner and mode of the folder")
        }
    }

    /// Names in the folder that are not a restore's own.
    private func contents() throws -> Set<String> {
        let own: Set = [BackupLayout.lock, BackupLayout.restoring, BackupLayout.backups, "lost+found"]
        return Set(try files.contentsOfDirectory(atPath: target.path))
            .filter { !own.contains($0) && !$0.hasPrefix(BackupLayout.replacedPrefix) }
    }

    private func stage(_ key: Secret, now: Date) throws {
        let staging = place(BackupLayout.restoring)
        if files.fileExists(atPath: staging.path) { try files.removeItem(at: staging) }
        try makeFolder(staging)
        // The name must be durable before anything is moved.
        try DurableFile.syncFolder(target)
        for file in backup.manifest.files where ![BackupLayout.sealedKey, BackupLayout.sealedEvidenceKey].contains(file.path) {
            try copy(file, to: staging.appending(path: file.path))
        }
        try write(Data(key.reveal().utf8), to: staging.appending(path: BackupLayout.caKey))
        if let evidence = try evidenceKey() {
            try write(Data(evidence.reveal().utf8), to: staging.appending(path: BackupLayout.evidenceKey))
        }
        let mark = RestoredMark(backup: backup.manifest.name, madeAt: backup.manifest.madeAt, restoredAt: now)
        try write(try WireCoding.encode(mark), to: staging.appending(path: BackupLayout.restored))
        for folder in try folders(in: staging) + [staging] { try DurableFile.syncFolder(folder) }
    }

    private func copy(_ file: BackupManifest.File, to url: URL) throws {
        let folder = url.deletingLastPathComponent()
        if !files.fileExists(atPath: folder.path) { try makeFolder(folder) }
        do {
            try files.copyItem(at: backup.folder.appending(path: file.path), to: url)
        } catch {
            throw BackupFault("cannot copy \(file.path): \(error.localizedDescription)", hint: "check both disks and try again")
        }
        // What was copied is what is checked: the medium may give other bytes the second time.
        if let problem = try backup.problem(with: file, at: url) {
            throw BackupFault("the backup is damaged: \(problem)", hint: "use another backup; nothing was changed")
        }
        try own(url, mode: file.path.hasSuffix(".pem") ? 0o644 : 0o600)
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else { throw DurableFile.failure("sync", url) }
    }

    /// Moves what is there aside and the staged files into its place.
    private func swap(_ present: Set<String>, now: Date) throws -> URL? {
        let staging = place(BackupLayout.restoring)
        var staged = try files.contentsOfDirectory(atPath: staging.path)
        // A configuration that is there belongs to this machine; the backup's is for a machine that has none.
        let keeps = present.contains(BackupLayout.configuration)
        if keeps {
            try files.removeItem(at: staging.appending(path: BackupLayout.configuration))
            staged.removeAll { $0 == BackupLayout.configuration }
        }
        // What no backup holds, such as the keys that the configuration names, stays where it is.
        let aside = present.filter { BackupLayout.isControlPlanes($0) && !(keeps && $0 == BackupLayout.configuration) }
        var replaced: URL?
        if !aside.isEmpty {
            let folder = place("\(BackupLayout.replacedPrefix)\(Int64(now.timeIntervalSince1970 * 1000))")
            try makeFolder(folder)
            for name in aside.sorted() { try move(place(name), to: folder.appending(path: name)) }
            try DurableFile.syncFolder(folder)
            replaced = folder
        }
        for name in staged.sorted() { try move(staging.appending(path: name), to: place(name)) }
        try DurableFile.syncFolder(staging)
        try DurableFile.syncFolder(target)
        guard rmdir(staging.path) == 0 else { throw DurableFile.failure("remove", staging) }
        try DurableFile.syncFolder(target)
        return replaced
    }

    private func move(_ source: URL, to target: URL) throws {
        guard rename(source.path, target.path) == 0 else { throw DurableFile.failure("move", source) }
    }

    private func place(_ name: String) -> URL { target.appending(path: name) }

    private func write(_ contents: Data, to url: URL) throws {
        try DurableFile.create(url, contents: contents, mode: 0o600)
        try own(url, mode: 0o600)
    }

    private func makeFolder(_ url: URL) throws {
        try files.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try own(url, mode: 0o700)
    }

    /// What root restores belongs to whoever owns the data folder, which is who serves it.
    private func own(_ url: URL, mode: mode_t) throws {
        guard chmod(url.path, mode) == 0 else { throw DurableFile.failure("chmod", url) }
        guard geteuid() == 0 else { return }
        var status = stat()
        guard stat(target.path, &status) == 0, lchown(url.path, status.st_uid, status.st_gid) == 0 else {
            throw DurableFile.failure("chown", url)
        }
    }

    private func folders(in root: URL) throws -> [URL] {
        guard let walk = files.enumerator(at: root, includingPropertiesForKeys: [.isDirectoryKey]) else { return [] }
        return walk.compactMap { $0 as? URL }.filter { $0.hasDirectoryPath }
    }
}
