import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// File operations whose result survives a crash of the machine.
enum DurableFiles {
    /// Throws with the path and the system's reason.
    static func check(_ result: Int32, _ what: String, _ path: String) throws {
        guard result != 0 else { return }
        throw CocoaError(
            errno == ENOSPC ? .fileWriteOutOfSpace : .fileWriteUnknown,
            userInfo: [
                NSFilePathErrorKey: path,
                NSLocalizedDescriptionKey: "cannot \(what) \(path): \(String(cString: strerror(errno)))",
            ])
    }

    /// Flushes a file or a folder.
    static func sync(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return try check(-1, "open", path) }
        defer { close(descriptor) }
        try check(fsync(descriptor), "flush", path)
    }
}
