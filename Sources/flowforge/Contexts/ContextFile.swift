import FlowForgeProtocol
import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `contexts.json` in `$XDG_CONFIG_HOME/flowforge` (else `~/.config/flowforge`). It holds tokens: the
/// folder is 0700, the file 0600 and replaced as a whole, so that a reader sees one state or the other.
struct ContextFile: Sendable {
    let folder: URL
    var url: URL { folder.appending(path: "contexts.json") }

    init(folder: URL) { self.folder = folder }

    init(environment: [String: String]) {
        // The XDG specification has relative paths ignored.
        let configured = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? URL(filePath: $0) : nil }
        let home = environment["HOME"].map { URL(filePath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
        folder = (configured ?? home.appending(path: ".config")).appending(path: "flowforge")
    }

    /// An empty book where there is no file.
    func read() throws -> ContextBook {
        guard FileManager.default.fileExists(atPath: url.path) else { return ContextBook() }
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw CommandError(
                .failed, "file_system", "\(url.path) cannot be read", hint: "it should belong to you, with mode 0600")
        }
        do {
            let book = try WireCoding.decode(ContextBook.self, from: data)
            guard book.version == ContextBook.form else {
                throw CommandError(
                    .failed, "context_file", "\(url.path) was written by a newer flowforge (form \(book.version))",
                    hint: "use that one, or another XDG_CONFIG_HOME")
            }
            return book
        } catch let error as CommandError {
            throw error
        } catch {
            throw CommandError(
                .failed, "context_file", "\(url.path) is damaged: it is not JSON of the form that we write",
                hint: "move it away and log in again")
        }
    }

    /// Whether others than the owner may read the file.
    func isExposed() -> Bool {
        var information = stat()
        return stat(url.path, &information) == 0 && information.st_mode & 0o077 != 0
    }

    /// Reads, changes and replaces the file, one process at a time.
    func change<Result>(_ body: (inout ContextBook) throws -> Result) throws -> Result {
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let lock = open(folder.appending(path: "contexts.lock").path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw failure("cannot be written to", folder) }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw failure("cannot be locked", folder) }
        }
        var book = try read()
        let result = try body(&book)
        try replace(with: WireCoding.encoder(pretty: true).encode(book))
        return result
    }

    private func replace(with contents: Data) throws {
        let draft = folder.appending(path: "contexts.json.\(getpid())")
        unlink(draft.path)
        let descriptor = open(draft.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be written to", folder) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: contents)
            try handle.synchronize()
            try handle.close()
        } catch {
            unlink(draft.path)
            throw failure("cannot be written to", folder)
        }
        guard rename(draft.path, url.path) == 0 else {
            let error = failure("cannot be replaced", url)
            unlink(draft.path)
            throw error
        }
    }

    private func failure(_ what: String, _ url: URL) -> CommandError {
        CommandError(
            .failed, "file_system", "\(url.path) \(what): \(String(cString: strerror(errno)))",
            hint: "check its owner and mode, or set XDG_CONFIG_HOME")
    }
}
