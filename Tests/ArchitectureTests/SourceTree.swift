import Foundation

/// The Swift files of the package and what they import.
struct SourceTree {
    struct File {
        /// e.g. `FlowForgeStore`.
        let target: String
        /// Relative to the repository.
        let path: String
        let text: String

        /// Modules imported by the file, whatever the access level or attributes of the import.
        var imports: [String] {
            text.split(separator: "\n").compactMap { line in
                // Words before `import` may only be attributes and access levels.
                var words = line.split(separator: " ", omittingEmptySubsequences: true)[...]
                while let word = words.first, word.hasPrefix("@") || Self.accessLevels.contains(String(word)) {
                    words.removeFirst()
                }
                guard words.first == "import", let next = words.dropFirst().first else { return nil }
                let name = Self.kinds.contains(String(next)) ? words.dropFirst(2).first ?? next : next
                return String(name.split(separator: ".")[0])
            }
        }

        private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
        private static let kinds: Set = ["struct", "class", "enum", "protocol", "func", "let", "var", "typealias"]

        var lineCount: Int { text.split(separator: "\n", omittingEmptySubsequences: false).count }
    }

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func files(under folder: String = "Sources") throws -> [File] {
        let root = repository.appending(path: folder)
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path)
        return try paths.filter { $0.hasSuffix(".swift") }.sorted().map { path in
            File(
                target: String(path.split(separator: "/")[0]), path: "\(folder)/\(path)",
                text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
        }
    }
}
