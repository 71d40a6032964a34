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
                guard
                    let match = line.prefixMatch(
                        of:
                            /\s*(?:@[A-Za-z_]+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|let|var|typealias)\s+)?([A-Za-z0-9_]+)/
                    )
                else { return nil }
                return String(match.1)
            }
        }

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
