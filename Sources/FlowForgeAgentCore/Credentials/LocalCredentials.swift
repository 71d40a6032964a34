import CoreFoundation
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Secrets of the agent's own machine, as far as its owner lets tasks have them. Without a word of the
/// owner nothing is allowed: a control plane that was taken over must not read what it likes.
struct LocalCredentials: Sendable {
    var allowedVariables: Set<String>
    var allowedFolders: [URL]
    var environment: [String: String]

    func variable(_ name: String) throws(CredentialFault) -> CredentialValue {
        guard allowedVariables.contains(name) else {
            throw CredentialFault(
                reason: "this agent does not let tasks read that variable",
                hint: "add it to credentials.allow_env of the agent's configuration")
        }
        guard let text = environment[name] else {
            throw CredentialFault(
                reason: "the agent's environment has no such variable", hint: "set it for the agent's service, and restart it")
        }
        return try CredentialValue(text.utf8)
    }

    /// The file must lie, links followed, in an allowed folder, belong to root or the agent, and be neither
    /// readable for everybody nor writable for others.
    func file(_ path: String) throws(CredentialFault) -> CredentialValue {
        let denied = CredentialFault(
            reason: "this agent does not let tasks read that file",
            hint: "put it into a folder of credentials.allow_files of the agent's configuration")
        // Also where there is no file: what lies elsewhere is nobody's business.
        guard let real = Self.resolved(path) else {
            guard allowedFolders.contains(where: { Self.isInside(path, $0.path(percentEncoded: false)) }) else { throw denied }
            throw CredentialFault(reason: "there is no such file", hint: "put the secret there")
        }
        let folders = allowedFolders.compactMap { Self.resolved($0.path(percentEncoded: false)) }
        guard folders.contains(where: { Self.isInside(real, $0) }) else { throw denied }
        return try read(real)
    }

    private func read(_ path: String) throws(CredentialFault) -> CredentialValue {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            throw CredentialFault(
                reason: "the file cannot be opened: \(String(cString: strerror(errno)))", hint: "let the agent's account read it")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CredentialFault(reason: "it is no regular file", hint: "put the secret into a file of its own")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid(), status.st_mode & 0o027 == 0 else {
            throw CredentialFault(
                reason: "others than root and the agent can read or change the file",
                hint: "chmod 600 it, and give it to the agent")
        }
        guard status.st_size <= CredentialValue.largest + 1 else {
            throw CredentialFault(
                reason: "the secret has more than \(CredentialValue.largest) bytes", hint: "a credential is a key, not a file")
        }
        var bytes = [UInt8](repeating: 0, count: CredentialValue.largest + 2)
        var count = 0
        while count < bytes.count {
            let (start, room) = (count, bytes.count - count)
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + start, room) }
            if got == 0 { break }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else {
                throw CredentialFault(
                    reason: "the file cannot be read: \(String(cString: strerror(errno)))", hint: "look at the machine's disk",
                    isPassing: true)
            }
            count += got
        }
        // Editors and `echo` end a file with a newline.
        if count > 0, bytes[count - 1] == UInt8(ascii: "\n") { count -= 1 }
        return try CredentialValue(bytes[..<count])
    }

    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func isInside(_ path: String, _ folder: String) -> Bool {
        path.hasPrefix(folder.hasSuffix("/") ? folder : folder + "/")
    }
}
