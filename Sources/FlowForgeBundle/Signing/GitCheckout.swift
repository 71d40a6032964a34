public import Foundation

/// The git commit that is checked out in a folder, read from the repository's files.
///
/// Says what `HEAD` points to, not whether files were changed since: since equal files make equal digests, who
/// doubts packs the commit again and compares.
public struct GitCheckout: Sendable, Hashable {
    /// 40 or 64 hexadecimal digits.
    public var commit: String
    /// `refs/heads/…`; absent for a detached head.
    public var reference: String?
    /// The URL of `origin`, without a user or password.
    public var repository: String?
    /// The folder within the repository; `.` for its root.
    public var path: String

    /// `git+URL@ref`, as SLSA names a source.
    public var uri: String? { repository.map { "git+\($0)" + (reference.map { "@\($0)" } ?? "") } }

    /// `nil` where the folder is in no repository, or in one of a form that is not understood.
    public init?(of folder: URL) {
        let start = folder.standardizedFileURL.resolvingSymlinksInPath()
        var root = start
        while !FileManager.default.fileExists(atPath: root.appending(path: ".git").path) {
            let parent = root.deletingLastPathComponent()
            guard parent.path != root.path, root.path != "/" else { return nil }
            root = parent
        }
        guard let git = Self.gitFolder(root.appending(path: ".git")),
            let head = Self.text(git.appending(path: "HEAD"))
        else { return nil }
        // A work tree of its own has its HEAD, and everything else in the repository that it belongs to.
        let common = Self.text(git.appending(path: "commondir")).map { Self.place($0, in: git) } ?? git
        if head.hasPrefix("ref: ") {
            let name = String(head.dropFirst(5))
            guard name.hasPrefix("refs/"), !name.split(separator: "/").contains(".."),
                let commit = Self.commit(of: name, in: [git, common])
            else { return nil }
            (self.commit, reference) = (commit, name)
        } else {
            guard Self.isCommit(head) else { return nil }
            (commit, reference) = (head, nil)
        }
        repository = Self.origin(common)
        let (inner, outer) = (start.path, root.path == "/" ? "" : root.path)
        path = inner == outer || inner.isEmpty ? "." : String(inner.dropFirst(outer.count + 1))
    }

    private static func gitFolder(_ url: URL) -> URL? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return nil }
        if isFolder.boolValue { return url }
        guard let text = text(url), text.hasPrefix("gitdir: ") else { return nil }
        return place(String(text.dropFirst(8)), in: url.deletingLastPathComponent())
    }

    private static func place(_ path: String, in folder: URL) -> URL {
        (path.hasPrefix("/") ? URL(filePath: path) : folder.appending(path: path)).standardizedFileURL
    }

    private static func commit(of name: String, in folders: [URL]) -> String? {
        for folder in folders {
            if let text = text(folder.appending(path: name)), isCommit(text) { return text }
        }
        for folder in folders {
            guard let packed = text(folder.appending(path: "packed-refs")) else { continue }
            for line in packed.split(separator: "\n") {
                let parts = line.split(separator: " ")
                if parts.count == 2, parts[1] == name, isCommit(String(parts[0])) { return String(parts[0]) }
            }
        }
        return nil
    }

    private static func origin(_ git: URL) -> String? {
        guard let text = text(git.appending(path: "config")) else { return nil }
        var isOrigin = false
        for line in text.split(separator: "\n") {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("[") { isOrigin = line == "[remote \"origin\"]" }
            guard isOrigin, line.hasPrefix("url") else { continue }
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0] == "url" { return withoutPassword(parts[1]) }
        }
        return nil
    }

    /// CI systems put tokens into the URLs of their checkouts.
    static func withoutPassword(_ url: String) -> String? {
        guard let scheme = url.range(of: "://") else {
            // git's short form, user@host:path; anything else is a folder of this machine.
            let parts = url.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, !parts[0].contains("/"), !parts[1].hasPrefix("/") else { return nil }
            return "ssh://\(parts[0].split(separator: "@").last ?? parts[0])/\(parts[1])"
        }
        if url.hasPrefix("file:") { return nil }
        let rest = url[scheme.upperBound...]
        let host = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = host.lastIndex(of: "@") else { return url }
        return String(url[..<scheme.upperBound] + rest[rest.index(after: at)...])
    }

    private static func isCommit(_ text: String) -> Bool {
        [40, 64].contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func text(_ url: URL) -> String? {
        (try? String(contentsOf: url, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
