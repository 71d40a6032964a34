public import Foundation

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A folder in which an author writes a bundle.
public struct BundleFolder: Hashable, Sendable {
    /// The file that makes a folder a bundle.
    public static let manifestName = "flowforge.yaml"
    /// Names what of the folder stays out of the bundle; see ``IgnoreRules``.
    public static let ignoreName = ".flowforgeignore"

    public let url: URL

    public init(_ url: URL) { self.url = url }

    /// Every file of the bundle, sorted by path. Left out are hidden files and folders, READMEs and what
    /// `.flowforgeignore` names. Throws, all at once: symbolic links and other things that are no
    /// plain files, paths that ``BundlePath`` refuses, and too much of anything.
    public func files() throws(BundleProblems) -> [BundleFile] {
        var walk = Walk(root: url)
        guard walk.isFolder(url) else {
            throw BundleProblems([
                Problem(file: url.path, message: "is no folder", hint: "name the folder that holds flowforge.yaml")
            ])
        }
        walk.readIgnoreRules()
        walk.visit("")
        if let clash = BundleArchive.clash(among: walk.files.map(\.path)) {
            walk.report("", clash, hint: "rename one of them")
        }
        guard walk.problems.isEmpty else { throw BundleProblems(walk.problems) }
        return walk.files.sorted { BundlePath.precedes($0.path, $1.path) }
    }

    private struct Walk {
        let root: URL
        var ignored = IgnoreRules("")
        var files: [BundleFile] = []
        var problems: [Problem] = []
        var total = 0
        var isFull = false

        func isFolder(_ url: URL) -> Bool { mode(url.path).map { $0 & S_IFMT == S_IFDIR } ?? false }

        mutating func report(_ path: String, _ message: String, hint: String? = nil) {
            problems.append(Problem(file: path.isEmpty ? "." : path, message: message, hint: hint))
        }

        mutating func readIgnoreRules() {
            let file = root.appending(path: BundleFolder.ignoreName)
            guard let mode = mode(file.path) else { return }
            guard mode & S_IFMT == S_IFREG, let text = try? String(contentsOf: file, encoding: .utf8) else {
                return report(BundleFolder.ignoreName, "cannot be read as UTF-8 text")
            }
            ignored = IgnoreRules(text)
        }

        mutating func visit(_ folder: String) {
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
            } catch {
                return report(folder, "cannot be read: \(error.localizedDescription)")
            }
            for name in names.sorted() where !name.hasPrefix(".") && !isFull {
                visit(folder.isEmpty ? name : "\(folder)/\(name)", name: name)
            }
        }

        private mutating func visit(_ path: String, name: String) {
            let url = root.appending(path: path)
            guard let mode = mode(url.path) else { return report(path, "cannot be read") }
            let isFolder = mode & S_IFMT == S_IFDIR
            if ignored.ignores(path, isFolder: isFolder) || (!isFolder && name.uppercased().hasPrefix("README")) { return }
            switch mode & S_IFMT {
            case S_IFDIR: visit(path)
            case S_IFREG: add(path, url, isExecutable: mode & S_IXUSR != 0)
            case S_IFLNK:
                report(path, "is a symbolic link", hint: "put the file itself into the bundle, or list it in .flowforgeignore")
            default: report(path, "is neither a file nor a folder", hint: "remove it, or list it in .flowforgeignore")
            }
        }

        private mutating func add(_ path: String, _ url: URL, isExecutable: Bool) {
            if let fault = BundlePath.fault(in: path) {
                return report(path, "has a path that \(fault)", hint: "rename it, or list it in .flowforgeignore")
            }
            let contents: Data
            do {
                contents = try read(url)
            } catch {
                return report(path, "cannot be read: \(error)")
            }
            guard contents.count <= BundleLimits.fileBytes else {
                return report(
                    path, "is larger than 16 MiB", hint: "data does not belong into a bundle; list it in .flowforgeignore")
            }
            total += contents.count
            guard total <= BundleLimits.totalBytes, files.count < BundleLimits.files else {
                isFull = true
                return report(
                    "", "the bundle holds more than 10,000 files or 256 MiB",
                    hint: "data does not belong into a bundle; list it in .flowforgeignore")
            }
            files.append(BundleFile(path: path, isExecutable: isExecutable, contents: contents))
        }

        /// At most one byte more than is allowed, and never through a link that took the file's place
        /// after we had looked.
        private func read(_ url: URL) throws -> Data {
            let descriptor = open(url.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { throw DurableFile.failure("open", url) }
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            return try handle.read(upToCount: BundleLimits.fileBytes + 1) ?? Data()
        }

        /// Of the thing itself, not of what a link leads to.
        private func mode(_ path: String) -> mode_t? {
            var information = stat()
            return lstat(path, &information) == 0 ? information.st_mode : nil
        }
    }
}
