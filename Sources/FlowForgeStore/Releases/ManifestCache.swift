internal import FlowForgeBundle
internal import Synchronization

/// Manifests that were read, by their bundle's digest: each start of a run looks at one, and what a
/// digest stands for never changes.
final class ManifestCache: Sendable {
    private let manifests = Mutex<[String: Manifest]>([:])
    /// Full, it is emptied: most of it are releases that were replaced. A manifest takes some KiB.
    private static let largest = 256

    func find(_ digest: String) -> Manifest? { manifests.withLock { $0[digest] } }

    func keep(_ manifest: Manifest, as digest: String) {
        manifests.withLock { manifests in
            if manifests.count >= Self.largest { manifests = [:] }
            manifests[digest] = manifest
        }
    }
}
