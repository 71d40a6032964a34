/// `.flowforgeignore`, and `include` of the manifest: one pattern a line, `#` starts a comment.
///
/// `name` matches a file or folder of that name anywhere, `folder/name` the path from the bundle's folder,
/// a `/` at the end folders only; `*` stands for any characters but `/`. What is in a matched folder is
/// matched too.
public struct IgnoreRules: Hashable, Sendable {
    public struct Pattern: Hashable, Sendable {
        var parts: [Substring]
        var isAnchored: Bool
        var foldersOnly: Bool

        /// `nil` for an empty line or a comment.
        public init?(_ line: String) {
            var text = line[...]
            while let last = text.last, last.isWhitespace { text.removeLast() }
            guard !text.isEmpty, text.first != "#" else { return nil }
            foldersOnly = text.last == "/"
            if foldersOnly { text.removeLast() }
            isAnchored = text.contains("/")
            parts = text.split(separator: "/")
            if parts.isEmpty { return nil }
        }

        /// Whether it matches the path itself, not a folder above it.
        func matchesExactly(_ path: Substring, isFolder: Bool) -> Bool {
            if foldersOnly && !isFolder { return false }
            let names = path.split(separator: "/")
            if !isAnchored { return names.last.map { Self.matches(parts[0], $0) } ?? false }
            return names.count == parts.count && zip(parts, names).allSatisfy(Self.matches)
        }

        /// Whether it matches the file or a folder that holds it.
        public func covers(_ file: String) -> Bool {
            var path = file[...]
            var isFolder = false
            while true {
                if matchesExactly(path, isFolder: isFolder) { return true }
                guard let slash = path.lastIndex(of: "/") else { return false }
                path = path[..<slash]
                isFolder = true
            }
        }

        /// Linear in both lengths but for one retry at the last `*`, so no pattern is slow.
        private static func matches(_ pattern: Substring, _ name: Substring) -> Bool {
            let pattern = Array(pattern.utf8)
            let name = Array(name.utf8)
            var p = 0
            var n = 0
            var star: (pattern: Int, name: Int)?
            while n < name.count {
                if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                    star = (p, n)
                    p += 1
                } else if p < pattern.count, pattern[p] == name[n] {
                    p += 1
                    n += 1
                } else if let last = star {
                    star = (last.pattern, last.name + 1)
                    p = last.pattern + 1
                    n = last.name + 1
                } else {
                    return false
                }
            }
            return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
        }
    }

    private let patterns: [Pattern]

    public init(_ text: String) {
        patterns = text.split(whereSeparator: \.isNewline).compactMap { Pattern(String($0)) }
    }

    func ignores(_ path: String, isFolder: Bool) -> Bool {
        patterns.contains { $0.matchesExactly(path[...], isFolder: isFolder) }
    }
}
