internal import FlowForgeBundle
internal import Synchronization

/// Manifests that were read, by their bundle's digest: each start of a run looks at one, and what a
/// digest stands for never changes.
final class ManifestCache: Sendable {
    private let manifests = Mutex<[String: Manifest]>([:])
    /// Full, it is emptied: most of it are releases that were replaced.
    private static let most = 256
    /// Of a manifest's text, in bytes; larger ones are rare and are read each time.
    static let largest = 256 << 10

    func find(_ digest: String) -> Manifest? { manifests.withLock { $0[digest] } }

    func keep(_ manifest: Manifest, as digest: String) {
        manifests.withLock { manifests in
            if manifests.count >= Self.most { manifests = [:] }
            manifests[digest] = manifest
        }
    }
}
