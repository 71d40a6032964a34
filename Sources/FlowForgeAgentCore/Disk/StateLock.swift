public import Foundation

/// Keeps two agents from working in one state folder: a lock on `<state>/lock` that ends with the process.
public struct StateLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// - Throws: ``StateLockError``, or `DiskError`.
    public init(state: URL) throws {
        try DiskFile.makeFolder(state, mode: 0o700)
        let file = state.appending(path: "lock")
        let lock = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw DiskError("open", file) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw StateLockError(folder: state.path)
        }
        descriptor = lock
    }

    /// Unlocked first: a child that is just being started still holds a copy of the descriptor.
    public func release() {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}

public struct StateLockError: Error, CustomStringConvertible {
    let folder: String
    public var description: String { "\(folder) is in use by another flowforge-agent; stop it, or use another state_dir" }
}
