import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Goes through the folders in which a pattern of ``SourceFiles`` can match.
///
/// A task's walk is strict: a folder that cannot be read fails it, since a task must not read half of its
/// source. One that only looks (``Bounds``) passes over it.
struct FileWalk {
    /// What a walk that only looks may do.
    struct Bounds {
        /// Real paths; nothing outside of them is looked at, through links neither.
        var folders: [String]
        /// Of folders and files that the walk comes by; then it ends.
        var mostEntries: Int
        /// Asked often; ends the walk.
        var isStopped: @Sendable () -> Bool = { false }
    }

    /// The part of the pattern before its first wildcard.
    let folder: String
    private(set) var found: [SourceFiles.File] = []
    /// With ``Bounds``: what could not be read or is outside, in words; the first few.
    private(set) var passedOver: [String] = []
    /// Whether it ended before everything was looked at.
    private(set) var isCut = false

    /// The names in a folder.
    var list: (String) throws -> [String] = { try FileManager.default.contentsOfDirectory(atPath: $0) }

    private let pattern: [String]
    private let bounds: Bounds?
    private var entries = 0

    init(pattern: String, relativeTo root: URL, within bounds: Bounds? = nil) {
        var components = Self.components(of: pattern, relativeTo: root)
        var fixed: [String] = []
        while components.count > 1, let first = components.first, !Self.isWild(first) { fixed.append(components.removeFirst()) }
        folder = "/" + fixed.joined(separator: "/")
        self.pattern = components
        self.bounds = bounds
    }

    /// Without what changes nothing: `//`, `/./`, and `**` after `**`, which would only multiply the work.
    static func components(of pattern: String, relativeTo root: URL) -> [String] {
        let absolute = pattern.hasPrefix("/") ? pattern : root.path(percentEncoded: false) + "/" + pattern
        var components: [String] = []
        for part in absolute.split(separator: "/") where part != "." && !(part == "**" && components.last == "**") {
            components.append(String(part))
        }
        return components
    }

    mutating func run() throws { try walk(folder, name: "", pattern: pattern[...]) }

    static func isWild(_ component: String) -> Bool { component.contains { "*?[".contains($0) } }

    /// Without links; `nil` where there is nothing.
    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Whether `path` is one of `folders` or below one; both without links.
    static func isWithin(_ path: String, _ folders: [String]) -> Bool {
        folders.contains { path == $0 || path.hasPrefix($0 == "/" ? $0 : $0 + "/") }
    }

    private mutating func walk(_ folder: String, name: String, pattern: ArraySlice<String>) throws {
        guard let component = pattern.first, goesOn() else { return }
        if !Self.isWild(component) { return try visit(component, in: folder, name: name, pattern: pattern.dropFirst()) }
        guard Self.isFolder(folder), mayLook(at: folder) else { return }
        guard let entries = try entries(of: folder) else { return }
        if component == "**" {
            try walk(folder, name: name, pattern: pattern.dropFirst())
            for entry in entries where !entry.hasPrefix(".") {
                let path = "\(folder)/\(entry)"
                if goesOn(), Self.isFolder(path), !Self.isLink(path) {
                    try walk(path, name: name + entry + "/", pattern: pattern)
                }
            }
            return
        }
        for entry in entries where fnmatch(component, entry, FNM_PERIOD) == 0 {
            try visit(entry, in: folder, name: name, pattern: pattern.dropFirst())
        }
    }

    private mutating func visit(_ entry: String, in folder: String, name: String, pattern: ArraySlice<String>) throws {
        let path = folder == "/" ? "/\(entry)" : "\(folder)/\(entry)"
        guard pattern.isEmpty else { return try walk(path, name: name + entry + "/", pattern: pattern) }
        guard goesOn() else { return }
        // attributesOfItem looks at a link itself, and the file that it leads to is what is read.
        let target = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: target),
            attributes[.type] as? FileAttributeType == .typeRegular, mayLook(at: path)
        else { return }
        let modified = (attributes[.modificationDate] as? Date ?? .distantPast).timeIntervalSince1970
        // In milliseconds, as the ledger keeps it.
        let rounded = Date(timeIntervalSince1970: (modified * 1000).rounded(.down) / 1000)
        let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        found.append(SourceFiles.File(path: path, name: name + entry, size: size, modifiedAt: rounded))
    }

    /// `nil` for a folder that is passed over.
    private mutating func entries(of folder: String) throws -> [String]? {
        do { return try list(folder).sorted() } catch {
            guard bounds != nil else { throw error }
            // One that was deleted a moment ago is none.
            if Self.isFolder(folder) { pass(over: "\(folder) cannot be read") }
            return nil
        }
    }

    private mutating func mayLook(at path: String) -> Bool {
        guard let bounds else { return true }
        guard let real = Self.realPath(path) else { return false }
        if Self.isWithin(real, bounds.folders) { return true }
        pass(over: "\(path) leads outside")
        return false
    }

    private mutating func goesOn() -> Bool {
        guard let bounds else { return true }
        entries += 1
        if entries > bounds.mostEntries || bounds.isStopped() { isCut = true }
        return !isCut
    }

    private mutating func pass(over what: String) {
        if passedOver.count < 5 { passedOver.append(what) }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// `**` does not follow links, which could lead in a circle.
    private static func isLink(_ path: String) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.type] as? FileAttributeType == .typeSymbolicLink
    }
}
