import FlowForgeBundle
import Foundation

/// How a session is limited and locked before the first statement of a task.
struct DuckDBSettings: Sendable {
    var memoryBytes: Int64
    var threads: Int
    /// DuckDB spills here.
    var temporaryFolder: URL
    var extensions: URL?
    /// Nothing outside these folders and ``files`` can be read or written.
    var folders: [URL]
    var files: [String] = []
    /// Statements that must run before the lock (none of a task's own).
    var variables: [String] = []

    var statements: [String] {
        let folderList = SQLText.list(folders.map { path($0).hasSuffix("/") ? path($0) : path($0) + "/" })
        return [
            "SET errors_as_json = true",
            "SET memory_limit = '\(max(memoryBytes, 64 << 20))B'",
            "SET threads = \(max(threads, 1))",
            "SET temp_directory = \(SQLText.literal(path(temporaryFolder)))",
            // Half of what is free, so that one task cannot fill the disk for the others.
            "SET max_temp_directory_size = '\(max(freeBytes / 2, 64 << 20))B'",
            "SET extension_directory = \(SQLText.literal(path(extensions ?? temporaryFolder)))",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET allow_community_extensions = false",
            "SET TimeZone = 'UTC'",
            "SET Calendar = 'gregorian'",
            "SET preserve_insertion_order = true",
            // Snapshots never change, and each file is looked at several times.
            "SET parquet_metadata_cache = true",
        ] + variables + [
            "SET allowed_directories = \(folderList)",
            "SET allowed_paths = \(SQLText.list(files))",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ]
    }

    private var freeBytes: Int64 {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path(temporaryFolder))
        return (attributes?[.systemFreeSize] as? NSNumber)?.int64Value ?? 1 << 30
    }

    private func path(_ url: URL) -> String { url.path(percentEncoded: false) }
}
