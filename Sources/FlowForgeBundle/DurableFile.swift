public import Foundation

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Writes that survive a power cut: a reader sees the whole old file or the whole new one.
public enum DurableFile {
    /// What a system call said.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public var operation: String
        public var path: String
        public var code: Int32

        public var description: String { "\(operation) \(path): \(String(cString: strerror(code)))" }
        public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
    }

    /// Puts `contents` in the place of what is at `url`: a temporary file beside it, synced, renamed
    /// over it, and the folder synced. `mode` is that of the new file whatever the umask.
    public static func replace(_ url: URL, contents: Data, mode: UInt32 = 0o644) throws {
        let partial = url.deletingLastPathComponent().appending(
            path: ".\(url.lastPathComponent).\(UInt64.random(in: 0...UInt64.max)).partial")
        try create(partial, contents: contents, mode: mode)
        do {
            try move(partial, to: url)
        } catch {
            unlink(partial.path)
            throw error
        }
    }

    /// Gives a file that is on disk already another name, in the place of what has that name, durably.
    public static func move(_ source: URL, to target: URL) throws {
        guard rename(source.path, target.path) == 0 else { throw failure("rename to", target) }
        try syncFolder(target.deletingLastPathComponent())
    }

    /// A new file, synced; fails where anything, a symbolic link too, is there already. Nothing is
    /// left behind by a failed write. The folder is not synced.
    public static func create(_ url: URL, contents: Data, mode: UInt32 = 0o644) throws {
        let file = open(url.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(mode))
        guard file >= 0 else { throw failure("create", url) }
        var written = false
        defer { if !written { unlink(url.path) } }
        do {
            defer { close(file) }
            try contents.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw failure("write", url) }
                    rest = rest.dropFirst(count)
                }
            }
            guard fchmod(file, mode_t(mode)) == 0 else { throw failure("chmod", url) }
            guard fsync(file) == 0 else { throw failure("sync", url) }
        }
        written = true
    }

    /// Makes the names in the folder durable.
    public static func syncFolder(_ url: URL) throws {
        let folder = open(url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open", url) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("sync", url) }
    }

    /// What `errno` says of the call that just failed.
    public static func failure(_ operation: String, _ url: URL) -> Failure {
        Failure(operation: operation, path: url.path, code: errno)
    }
}
