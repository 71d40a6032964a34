internal import FlowForgeBundle
internal import FlowForgeStore
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

/// Keeps a second control plane, or a restore, out of a data folder before it changes what the first
/// one works with.
struct DataFolderLock: Sendable {
    private let lock: FolderLock?

    /// Throws `StoreError.busy` while another holds it, ``StartUpFault/configuration(_:)`` when the folder
    /// is not ours to write.
    init(_ folder: DataFolder) throws {
        do {
            lock = try FolderLock(folder.lock)
        } catch FolderLock.Fault.held {
            throw StoreError.busy
        } catch FolderLock.Fault.system(_, ENOENT) {
            // What is wrong with the folder is said better by who reads from it next.
            lock = nil
        } catch FolderLock.Fault.system(let operation, let code) {
            throw StartUpFault.configuration("cannot \(operation) \(folder.lock.path): \(String(cString: strerror(code)))")
        }
    }
}
