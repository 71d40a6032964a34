public import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// An exclusive lock on a file; it ends with the process, or with this object.
public final class FolderLock: Sendable {
    public enum Fault: Error, Sendable {
        /// Another process, or another object of this one, has it.
        case held
        case system(operation: String, code: Int32)
    }

    private let descriptor: Int32

    /// Makes the file where it is not there.
    public init(_ file: URL) throws(Fault) {
        descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(operation: "open", code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK ? .held : .system(operation: "lock", code: code)
        }
    }

    deinit {
        // A child that is just being started may still hold a copy of the descriptor.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
