import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The raw files that a pattern names: `*`, `?` and `[…]` within a path component, `**` for any number
/// of folders. Names that begin with a dot match only where the pattern says so.
struct SourceFiles: Sendable {
    struct File: Sendable, Hashable {
        var path: String
        /// Relative to ``SourceFiles/folder``; what data and ledger hold.
        var name: String
        var size: Int64
        var modifiedAt: Date
    }

    /// The part of the pattern before its first wildcard.
    let folder: String
    /// Sorted by name.
    let files: [File]

    /// `pattern` is absolute, or relative to `root`.
    init(matching pattern: String, relativeTo root: URL) throws {
        let absolute = pattern.hasPrefix("/") ? pattern : root.path(percentEncoded: false) + "/" + pattern
        var components = absolute.split(separator: "/").map(String.init)
        var fixed: [String] = []
        while components.count > 1, let first = components.first, !Self.isWild(first) { fixed.append(components.removeFirst()) }
        folder = "/" + fixed.joined(separator: "/")
        var found: [File] = []
        try Self.walk(folder, name: "", pattern: components[...], into: &found)
        files = Set(found).sorted { $0.name < $1.name }
    }

    private static func isWild(_ component: String) -> Bool { component.contains { "*?[".contains($0) } }

    private static func walk(_ folder: String, name: String, pattern: ArraySlice<String>, into found: inout [File]) throws {
        guard let component = pattern.first else { return }
        if !isWild(component) {
            return try visit(component, in: folder, name: name, pattern: pattern.dropFirst(), into: &found)
        }
        guard isFolder(folder) else { return }
        let entries = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        if component == "**" {
            try walk(folder, name: name, pattern: pattern.dropFirst(), into: &found)
            for entry in entries where !entry.hasPrefix(".") && isFolder("\(folder)/\(entry)") && !isLink("\(folder)/\(entry)") {
                try walk("\(folder)/\(entry)", name: name + entry + "/", pattern: pattern, into: &found)
            }
            return
        }
        for entry in entries where fnmatch(component, entry, FNM_PERIOD) == 0 {
            try visit(entry, in: folder, name: name, pattern: pattern.dropFirst(), into: &found)
        }
    }

    private static func visit(
        _ entry: String, in folder: String, name: String, pattern: ArraySlice<String>, into found: inout [File]
    ) throws {
        let path = folder == "/" ? "/\(entry)" : "\(folder)/\(entry)"
        guard pattern.isEmpty else { return try walk(path, name: name + entry + "/", pattern: pattern, into: &found) }
        // attributesOfItem looks at a link itself, and the file that it leads to is what is read.
        let target = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: target),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { return }
        let modified = (attributes[.modificationDate] as? Date ?? .distantPast).timeIntervalSince1970
        // In milliseconds, as the ledger keeps it.
        let rounded = Date(timeIntervalSince1970: (modified * 1000).rounded(.down) / 1000)
        let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        found.append(File(path: path, name: name + entry, size: size, modifiedAt: rounded))
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
