import Crypto
import FlowForgeBundle
import FlowForgeProtocol
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Where a task finds its secrets: a folder of the attempt's own, one file a credential, on a file system
/// that is in memory (as systemd's credentials are).
struct CredentialFolder: Sendable {
    let url: URL

    /// The folder of all attempts of the agent with this state folder; `nil` where no file system in memory
    /// can be written.
    static func root(state: URL, environment: [String: String]) -> URL? {
        let key = SHA256.hash(data: Data(state.resolvingSymlinksInPath().path(percentEncoded: false).utf8)).prefix(8).hex
        // systemd's, then everybody's.
        let runtime = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first.map(String.init)
        for place in [runtime, "/dev/shm", "/run/user/\(geteuid())"].compactMap(\.self) where isInMemory(place) {
            return URL(filePath: place).appending(path: "flowforge-credentials-\(geteuid())-\(key)")
        }
        return nil
    }

    /// Removes what attempts of an earlier run of the agent left.
    static func clear(_ root: URL) throws {
        var status = stat()
        guard lstat(root.path(percentEncoded: false), &status) == 0 else { return }
        try FileManager.default.removeItem(at: root)
    }

    /// Throws `TaskError` `credential_unresolved` where the values cannot be put there.
    init(_ values: [String: CredentialValue], attempt: ID<Attempt>, root: URL?) throws {
        guard let root else {
            throw TaskError(
                code: "credential_unresolved", message: "this agent has no file system in memory to hand credentials over",
                hint: "let its account write to /dev/shm, or give its service a RuntimeDirectory")
        }
        url = root.appending(path: attempt.description)
        do {
            // The names are known: somebody else may have put something there, a link for example.
            try Self.makeOwnFolder(root)
            try Self.makeOwnFolder(url)
            for (name, value) in values { try Self.write(value.reveal(), to: url.appending(path: name)) }
        } catch {
            try? FileManager.default.removeItem(at: url)
            throw error
        }
    }

    func remove() throws { try FileManager.default.removeItem(at: url) }

    private static func makeOwnFolder(_ folder: URL) throws {
        let path = folder.path(percentEncoded: false)
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw failed("make", path, errno) }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o077 == 0
        else {
            throw TaskError(
                code: "credential_unresolved", message: "\(path) is not a folder of the agent's own", hint: "remove it")
        }
    }

    private static func write(_ bytes: [UInt8], to file: URL) throws {
        do { try DurableFile.create(file, contents: Data(bytes), mode: 0o400) } catch let failure as DurableFile.Failure {
            throw failed(failure.operation, failure.path, failure.code)
        }
    }

    private static func failed(_ what: String, _ path: String, _ number: Int32) -> TaskError {
        TaskError(
            code: "credential_unresolved", message: "cannot \(what) \(path): \(String(cString: strerror(number)))",
            hint: "credentials are handed over in memory; look at what is there", retryable: true)
    }

    private static func isInMemory(_ path: String) -> Bool {
        guard access(path, W_OK | X_OK) == 0, let real = realpath(path, nil) else { return false }
        defer { free(real) }
        guard let table = try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8) else { return false }
        return isInMemory(String(cString: real), mounts: table)
    }

    /// By a table of mounts (proc_pid_mountinfo(5)). Of several that lie on each other the last is on top.
    static func isInMemory(_ path: String, mounts table: String) -> Bool {
        var found: (point: String, type: String)?
        for line in table.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count > 6, let dash = parts[6...].firstIndex(of: "-"), parts.indices.contains(dash + 1) else { continue }
            // A point with a space or the like is written in octal, and none of ours.
            let point = String(parts[4])
            guard point == "/" || path == point || path.hasPrefix(point + "/"), point.count >= found?.point.count ?? 0 else {
                continue
            }
            found = (point, String(parts[dash + 1]))
        }
        return found.map { ["tmpfs", "ramfs"].contains($0.type) } ?? false
    }
}
