internal import FlowForgeStore
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// Keeps a second control plane out of a data folder, before it migrates a database or clears uploads
/// that the first one works with. It ends with the process, or with this object.
final class DataFolderLock: Sendable {
    private let descriptor: Int32

    /// Throws `StoreError.busy` while another holds it, ``StartUpFault/configuration(_:)`` when there is
    /// no such folder or it is not ours to write.
    init(_ folder: DataFolder) throws {
        let file = folder.root.appending(path: "lock")
        descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            // What is wrong with the folder is said better by who reads from it next.
            if errno == ENOENT { return }
            throw StartUpFault.configuration("cannot open \(file.path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw StoreError.busy }
    }

    deinit {
        guard descriptor >= 0 else { return }
        // A child that is just being started may still hold a copy of the descriptor.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
