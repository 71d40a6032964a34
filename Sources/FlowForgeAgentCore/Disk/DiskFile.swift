import Foundation

/// File operations whose result is on the disk when they return, with errors that name the file.
enum DiskFile {
    private static func before(_ step: @autoclosure () -> DiskStep) throws(DiskError) {
        if let tap = DiskTap.current { try tap.before(step()) }
    }

    /// The permission bits.
    static func mode(_ file: URL) throws(DiskError) -> Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path)
        guard let mode = attributes?[.posixPermissions] as? NSNumber else { throw DiskError("read", file) }
        return mode.intValue
    }

    /// With its parents; an existing folder is left as it is.
    static func makeFolder(_ folder: URL, mode: mode_t) throws(DiskError) {
        try before(.makeFolder(folder))
        if mkdir(folder.path, mode) == 0 { return }
        if errno == EEXIST { return }
        guard errno == ENOENT, folder.path != "/" else { throw DiskError("create", folder) }
        try makeFolder(folder.deletingLastPathComponent(), mode: 0o755)
        guard mkdir(folder.path, mode) == 0 || errno == EEXIST else { throw DiskError("create", folder) }
    }

    /// Creates or replaces the file in one step (written beside it, synced, renamed). Not `durable`: not
    /// synced, so that it survives the death of this process, but perhaps not that of the machine.
    static func write(_ bytes: Data, to file: URL, mode: mode_t, durable: Bool = true) throws(DiskError) {
        let draft = URL(filePath: file.path + ".new")
        try before(.create(draft))
        let descriptor = open(draft.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw DiskError("create", draft) }
        do throws(DiskError) {
            // `open` does not change the mode of a draft that a crash left behind.
            guard fchmod(descriptor, mode) == 0 else { throw DiskError("set the mode of", draft) }
            try write(bytes, to: descriptor, file: draft)
            if durable {
                try before(.sync(draft))
                if fsync(descriptor) != 0 { throw DiskError("sync", draft) }
            }
        } catch {
            close(descriptor)
            let failure = error
            do { try remove(draft) } catch {
                // The next draft overwrites it.
            }
            throw failure
        }
        close(descriptor)
        try move(draft, to: file)
        if durable { try sync(folder: file.deletingLastPathComponent()) }
    }

    /// What is in the file from `offset` on; nothing when it is shorter.
    static func read(_ file: URL, from offset: Int) throws -> Data {
        let handle = try FileHandle(forReadingFrom: file)
        try handle.seek(toOffset: UInt64(offset))
        return try handle.readToEnd() ?? Data()
    }

    static func move(_ file: URL, to place: URL) throws(DiskError) {
        try before(.rename(file, to: place))
        guard rename(file.path, place.path) == 0 else { throw DiskError("rename", file) }
    }

    /// A file that is not there is removed already.
    static func remove(_ file: URL) throws(DiskError) {
        try before(.remove(file))
        guard unlink(file.path) == 0 || errno == ENOENT else { throw DiskError("remove", file) }
    }

    /// A folder that holds files only, oldest name first.
    static func remove(folder: URL) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
            try remove(folder.appending(path: name))
        }
        try before(.remove(folder))
        guard rmdir(folder.path) == 0 || errno == ENOENT else { throw DiskError("remove", folder) }
    }

    /// Data and length of the file are on the disk on return.
    static func sync(_ descriptor: Int32, file: URL) throws(DiskError) {
        try before(.sync(file))
        guard fdatasync(descriptor) == 0 else { throw DiskError("sync", file) }
    }

    static func cut(_ descriptor: Int32, to length: Int, file: URL) throws(DiskError) {
        try before(.cut(file, to: length))
        guard ftruncate(descriptor, off_t(length)) == 0 else { throw DiskError("cut", file) }
    }

    static func cut(_ file: URL, to length: Int) throws(DiskError) {
        try before(.cut(file, to: length))
        guard truncate(file.path, off_t(length)) == 0 else { throw DiskError("cut", file) }
    }

    /// Everything, from `position` of the file on.
    static func write(_ bytes: Data, to descriptor: Int32, at position: Int = 0, file: URL) throws(DiskError) {
        try before(.write(file, at: position, bytes))
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + written, bytes.count - written, off_t(position + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw DiskError("write", file) }
            written += count
        }
    }

    /// Points the symbolic link at `target`, in one step.
    static func link(_ link: URL, to target: String) throws(DiskError) {
        let draft = URL(filePath: link.path + ".new")
        unlink(draft.path)
        guard symlink(target, draft.path) == 0 else { throw DiskError("create", draft) }
        guard rename(draft.path, link.path) == 0 else { throw DiskError("rename", draft) }
        try sync(folder: link.deletingLastPathComponent())
    }

    /// Makes the names in the folder durable.
    static func sync(folder: URL) throws(DiskError) {
        try before(.syncFolder(folder))
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskError("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw DiskError("sync", folder) }
    }
}

/// A system call on a file that failed.
public struct DiskError: Error, CustomStringConvertible {
    let verb: String
    let file: String
    let number: Int32

    /// Takes `errno` as it is now.
    init(_ verb: String, _ file: URL) {
        number = errno
        self.verb = verb
        self.file = file.path
    }

    /// No space, or no quota left.
    public var isFull: Bool { number == ENOSPC || number == EDQUOT }
    public var description: String { "cannot \(verb) \(file): \(String(cString: strerror(number)))" }
}
