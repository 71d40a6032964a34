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

    /// Makes a folder with those above it that are missing, and their names durable.
    static func makeFolder(_ path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        let parent = (path as NSString).deletingLastPathComponent
        try makeFolder(parent)
        // Another may have made it just now.
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try sync(parent)
    }

    /// Flushes a file or a folder.
    static func sync(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return try check(-1, "open", path) }
        defer { close(descriptor) }
        try check(fsync(descriptor), "flush", path)
    }
}
