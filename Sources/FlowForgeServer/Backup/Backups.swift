internal import Dispatch
internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeReleases
internal import FlowForgeStore
internal import Foundation
internal import Logging
internal import Synchronization

/// Makes and lists backups, one at a time, in a folder of the control plane's machine: no private key
/// and no whole database travels over the operator API.
final class Backups: Sendable {
    private let store: Store
    private let registry: BundleRegistry
    private let settings: ServerSettings
    private let logger: Logger
    private let isBusy = Mutex(false)
    private let queue = DispatchQueue(label: "flowforge.backup", qos: .utility)
    private var root: URL { settings.backupFolder ?? settings.dataFolder.appending(path: BackupLayout.backups) }

    init(store: Store, registry: BundleRegistry, settings: ServerSettings, logger: Logger) {
        self.store = store
        self.registry = registry
        self.settings = settings
        self.logger = logger
    }

    /// Returns when the backup is complete and on disk. Throws ``APIError`` `busy` while another is made,
    /// `storage_full`, or `internal_error` with what went wrong; nothing is then left behind.
    func make(by actor: Actor) async throws -> OperatorAPI.BackupView {
        let isFirst = isBusy.withLock { busy in
            defer { busy = true }
            return !busy
        }
        guard isFirst else {
            throw APIError(
                .busy, "another backup is being made", hint: "wait for it: GET \(OperatorAPI.basePath)/backups lists it then")
        }
        defer { isBusy.withLock { $0 = false } }
        let started = ContinuousClock.now
        // The database is copied first and blobs afterwards: none of those that it knows may go meanwhile.
        let backup = try await registry.holdingBlobs { try await offThread { try self.write() } }
        let view = OperatorAPI.BackupView(backup)
        try await store.write { session in
            try session.audit.append(
                actor: actor, action: "backup.create", subject: view.name,
                detail: [
                    "manifestDigest": .string(view.manifestDigest), "bytes": .integer(view.bytes),
                    "hasSealedKey": .bool(view.hasSealedKey),
                ])
        }
        logger.info(
            "backup made",
            metadata: [
                "folder": "\(view.folder)", "bytes": "\(view.bytes)",
                "seconds": "\((ContinuousClock.now - started).components.seconds)",
            ])
        for warning in view.warnings { logger.warning("not in the backup", metadata: ["what": "\(warning)"]) }
        return view
    }

    /// Newest first. What cannot be read is left out, and the log says so.
    func list() async throws -> OperatorAPI.Page<OperatorAPI.BackupView> {
        try await offThread { [root, logger] in
            guard FileManager.default.fileExists(atPath: root.path) else { return OperatorAPI.Page(items: []) }
            let names = try FileManager.default.contentsOfDirectory(atPath: root.path).sorted(by: >)
            let views = names.filter { $0.hasPrefix("backup-") && !$0.hasSuffix(".partial") }.compactMap { name in
                do { return OperatorAPI.BackupView(try Backup(root.appending(path: name))) } catch {
                    logger.warning("a backup cannot be read", metadata: ["name": "\(name)", "reason": "\(error)"])
                    return nil
                }
            }
            return OperatorAPI.Page(items: views)
        }
    }

    private func write() throws -> Backup {
        let files = FileManager.default
        try files.createDirectory(at: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Of a process that ended while it made one; there is one at a time.
        for name in try files.contentsOfDirectory(atPath: root.path)
        where name.hasPrefix("backup-") && name.hasSuffix(".partial") {
            try files.removeItem(at: root.appending(path: name))
        }
        let madeAt = store.now()
        let writer = BackupWriter(
            store: store, data: DataFolder(settings.dataFolder), configuration: settings.file,
            sealingKey: try settings.backupSealingKey.map(Self.sealingKey), root: root, name: "backup-\(Self.stamp(madeAt))")
        do { return try writer.write(madeAt: madeAt) } catch { throw Self.explained(error, root) }
    }

    static func sealingKey(_ file: URL) throws -> SealingKey {
        guard let key = SealingKey(Secret(try DataFolder.privateText(file))) else {
            throw StartUpFault.configuration(
                "\(file.path) (backup.sealing_key) is no key; make one with `openssl rand -hex 32 > \(file.path)`")
        }
        return key
    }

    /// Sorts as the times do.
    private static func stamp(_ date: Date) -> String {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        return date.formatted(style).filter { $0.isNumber || $0 == "T" } + "Z"
    }

    private static func explained(_ error: any Error, _ root: URL) -> any Error {
        let isFull: Bool =
            switch error {
            case let error as DurableFile.Failure: error.isDiskFull
            case StoreError.full: true
            case let error as CocoaError: error.code == .fileWriteOutOfSpace
            default: false
            }
        if isFull {
            return APIError(
                .storageFull, "the disk of \(root.path) is full; nothing of the backup was kept",
                hint: "free space there, or name another folder as backup.folder")
        }
        if case StoreError.corrupt = error { return error }
        return APIError(
            .internalError, "the backup failed and nothing of it was kept: \(error)",
            hint: "look at \(root.path): owner, mode, disk")
    }

    private func offThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}

extension OperatorAPI.BackupView {
    init(_ backup: Backup) {
        let manifest = backup.manifest
        self.init(
            name: manifest.name, folder: backup.folder.path, madeAt: manifest.madeAt, files: manifest.files.count,
            bytes: manifest.bytes, manifestDigest: backup.manifestDigest, hasSealedKey: manifest.hasSealedKey,
            warnings: manifest.warnings)
    }
}
