internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation
public import Logging

/// Removes bundles that retention does not keep and nothing refers to, and blobs that belong to nothing.
///
/// Kept are: what a current release, a release within the rollback window or an open run refers to, what a
/// ``BundleKeeper`` names, and with a bundle all of its referrers. The names and versions of what goes stay taken.
///
/// It first notes in the store what goes, then removes blobs: a crash in between leaves blobs that the next
/// collection finds, never a bundle without its blobs.
public struct GarbageCollection: Sendable {
    private let store: Store
    private let registry: BundleRegistry
    private let retention: BundleRetention
    private let keepers: [any BundleKeeper]
    private let logger: Logger
    private let queue = BlockingQueue("flowforge.garbage-collection")
    /// Bundles that one transaction looks at.
    static let batch = 100

    public init(
        store: Store, registry: BundleRegistry, retention: BundleRetention, keepers: [any BundleKeeper] = [], logger: Logger
    ) {
        self.store = store
        self.registry = registry
        self.retention = retention
        self.keepers = keepers
        self.logger = logger
    }

    /// Throws ``APIError`` `busy` while a backup is made or another collection goes on, and `storage_damaged` where it cannot
    /// be said which blobs a bundle needs: then none is removed.
    public func collect(dryRun: Bool, by actor: Actor) async throws -> OperatorAPI.GarbageView {
        try registry.collection.begin()
        defer { registry.collection.end() }
        let gone = try await removeBundles(dryRun: dryRun, by: actor)
        let (registry, cutoff) = (registry, store.now().addingTimeInterval(-BlobCollection.grace))
        let folder = registry.folder
        // Read before the store is: what is pushed in between is in neither, and stays listed.
        let listed = try await registry.verifications.run { try folder.listed() }
        let (bundles, referrers) = try await kept(without: Set(gone.map(\.digest)), dryRun: dryRun)
        if !dryRun {
            try await registry.verifications.run { try folder.unlist(listed.subtracting(bundles).subtracting(referrers)) }
        }
        let (blobs, bytes) = try await queue.run {
            let needed = try Self.blobs(of: bundles, in: folder).union(referrers)
            return try registry.removeBlobs(allBut: needed, before: cutoff, dryRun: dryRun)
        }
        let view = OperatorAPI.GarbageView(dryRun: dryRun, bundles: gone, blobs: blobs, bytes: bytes)
        if !dryRun, !gone.isEmpty || blobs > 0 {
            logger.info("garbage collected", metadata: ["bundles": "\(gone.count)", "blobs": "\(blobs)", "bytes": "\(bytes)"])
        }
        return view
    }

    private func removeBundles(dryRun: Bool, by actor: Actor) async throws -> [BundleReference] {
        var gone: [BundleReference] = []
        var after: Int64 = 0
        while true {
            try Task.checkCancellation()
            let (retention, keepers, last) = (retention, keepers, after)
            let look = { @Sendable (session: Session) -> (due: [BundleRow], last: Int64?) in
                let rows = try session.bundles.due(retention, after: last, limit: Self.batch)
                let kept = try keepers.reduce(into: Set<String>()) { $0.formUnion(try $1.keptBundles(in: session)) }
                return (rows.filter { !kept.contains($0.reference.digest) }, rows.last?.number)
            }
            let found: (due: [BundleRow], last: Int64?)
            if dryRun {
                found = try await store.read(look)
            } else {
                found = try await store.write { session in
                    let found = try look(session)
                    for row in found.due {
                        try session.bundles.remove(digest: row.reference.digest)
                        try session.audit.append(
                            actor: actor, action: "bundle.remove", subject: "\(row.reference.name)@\(row.reference.version)",
                            detail: ["digest": .string(row.reference.digest), "bytes": .integer(row.bytes)])
                    }
                    return found
                }
            }
            gone += found.due.map(\.reference)
            guard let last = found.last else { return gone }
            after = last
        }
    }

    /// What is there once those have gone.
    private func kept(without gone: Set<String>, dryRun: Bool) async throws -> (bundles: Set<String>, referrers: Set<String>) {
        try await store.read { session in
            var (bundles, referrers) = try session.bundles.content()
            if dryRun {
                bundles.subtract(gone)
                for digest in gone {
                    for row in try session.referrers.list(of: digest) { referrers.subtract([row.digest, row.envelope]) }
                }
            }
            if !referrers.isEmpty { referrers.insert(OCIDescriptor.empty.digest) }
            return (bundles, referrers)
        }
    }

    private static func blobs(of bundles: Set<String>, in folder: RegistryFolder) throws -> Set<String> {
        var needed = bundles
        for digest in bundles.sorted() {
            do throws(BundleRefusal) {
                let bytes = try folder.read(digest, limit: BundleLimits.ociManifestBytes)
                let head = try PackedBundle.readOCIManifest(bytes, digest: digest)
                needed.formUnion([head.config.digest] + head.layers.map(\.digest))
            } catch {
                throw APIError(
                    .storageDamaged, "the manifest of the bundle \(digest) cannot be read, so its blobs are not known: \(error)",
                    hint: "push that bundle again, or restore its blob from a backup; no blob was removed")
            }
        }
        return needed
    }
}

extension BundleRegistry {
    fileprivate func removeBlobs(allBut needed: Set<String>, before cutoff: Date, dryRun: Bool) throws -> (Int, Int64) {
        var (count, bytes): (Int, Int64) = (0, 0)
        for digest in try folder.blobs() where !needed.contains(digest) {
            try Task.checkCancellation()
            if let size = try collection.remove(try folder.place(of: digest), before: cutoff, dryRun: dryRun) {
                count += 1
                bytes += size
            }
        }
        return (count, bytes)
    }
}
