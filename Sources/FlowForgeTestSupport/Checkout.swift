public import Foundation

/// The folders of the checkout that tests use, and the tools in it.
public enum Checkout {
    /// What a test needs and `make tools` fetches.
    public struct MissingTool: Error, CustomStringConvertible {
        public let path: String
        public var description: String { "\(path) is missing; run `make tools`" }
    }

    public static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Where the programs of this build are: beside the test bundle.
    public static let programs: URL = {
        let name = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(filePath: name).deletingLastPathComponent()
    }()

    public static func program(_ name: String) -> URL { programs.appending(path: name) }

    /// The pinned DuckDB CLI.
    public static func duckdb() throws -> URL {
        let named = ProcessInfo.processInfo.environment["FLOWFORGE_DUCKDB"].map { URL(filePath: $0) }
        return try tool(named ?? root.appending(path: ".tools/bin/duckdb"))
    }

    /// The interpreter with the packages that tests compare with.
    public static func python() throws -> URL { try tool(root.appending(path: ".tools/python/bin/python")) }

    private static func tool(_ file: URL) throws -> URL {
        guard FileManager.default.isExecutableFile(atPath: file.path) else { throw MissingTool(path: file.path) }
        return file
    }
}
