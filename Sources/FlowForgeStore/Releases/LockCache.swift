internal import FlowForgeBundle
internal import Synchronization

/// Locks that were read, by their bundle's digest: plans ask again for those of what is deployed, and
/// what a digest stands for never changes.
final class LockCache: Sendable {
    private let kept = Mutex(Kept())

    private struct Kept {
        var locks: [String: BundleLock] = [:]
        /// Of the locks' texts.
        var bytes = 0
    }

    /// Of all texts together; full, it is emptied. In memory they take a few times as much.
    private static let most = 32 << 20

    func find(_ digest: String) -> BundleLock? { kept.withLock { $0.locks[digest] } }

    func keep(_ lock: BundleLock, bytes: Int, as digest: String) {
        guard bytes <= Self.most else { return }
        kept.withLock { kept in
            if kept.bytes + bytes > Self.most { kept = Kept() }
            if kept.locks.updateValue(lock, forKey: digest) == nil { kept.bytes += bytes }
        }
    }
}
