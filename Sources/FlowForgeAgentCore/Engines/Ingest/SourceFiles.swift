import Foundation

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
        var walk = FileWalk(pattern: pattern, relativeTo: root)
        try walk.run()
        folder = walk.folder
        files = Set(walk.found).sorted { $0.name < $1.name }
    }
}
