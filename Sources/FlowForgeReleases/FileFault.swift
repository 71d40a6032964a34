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
        return [ENOSPC, EDQUOT].contains(fault.code) ? APIError.registryFull : fault
    }
}
