import FlowForgeProtocol
import Foundation

/// A file operation of the registry that failed; people read it in the log.
struct FileFault: Error, CustomStringConvertible {
    var operation: String
    var path: String
    var code: Int32

    var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }

    /// The error of the call that has just failed: ``APIError`` `storage_full` when the disk or the
    /// quota is, which the caller of the API can do something about, and a ``FileFault`` else.
    static func current(_ operation: String, _ file: URL) -> any Error {
        let fault = FileFault(operation: operation, path: file.path, code: errno)
        guard [ENOSPC, EDQUOT].contains(fault.code) else { return fault }
        return APIError(
            .storageFull, "the disk of the control plane's registry is full",
            hint: "free space under the data folder and send it again; nothing of this upload was kept")
    }
}

/// Makes the names in `folder` durable.
func syncFolder(_ folder: URL) throws {
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileFault.current("open", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw FileFault.current("sync", folder) }
}

/// Replaces `file` as a whole: readers see the old content or the new, also after a power cut.
func replaceFile(_ file: URL, with content: Data) throws {
    let fresh = file.appendingPathExtension("new")
    let descriptor = open(fresh.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw FileFault.current("create", fresh) }
    do {
        defer { close(descriptor) }
        try content.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    throw FileFault.current("write", fresh)
                }
                rest = rest.dropFirst(count)
            }
        }
        guard fsync(descriptor) == 0 else { throw FileFault.current("sync", fresh) }
    } catch {
        unlink(fresh.path)
        throw error
    }
    guard rename(fresh.path, file.path) == 0 else { throw FileFault.current("replace", file) }
    try syncFolder(file.deletingLastPathComponent())
}
