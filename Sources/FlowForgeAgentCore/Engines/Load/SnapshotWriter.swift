import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// Writes rows as Parquet files of a staged snapshot.
struct SnapshotWriter: Sendable {
    let session: DuckDBSession
    let staging: SnapshotStaging
    let partitionBy: [String]
    private let folder: String

    init(session: DuckDBSession, staging: SnapshotStaging, partitionBy: [String]) {
        self.session = session
        self.staging = staging
        self.partitionBy = partitionBy
        let path = staging.rows.path(percentEncoded: false)
        folder = path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    private struct Written: Decodable, Sendable {
        var filename: String
        var count: String
        var file_size_bytes: String
        var partition_keys: [String: String?]?
    }

    /// Writes the rows of a SELECT. `batch` tells the files of several writes of one snapshot apart.
    ///
    /// Names hold the snapshot's id, so files of different snapshots can be linked into one folder.
    func write(_ select: String, batch: Int = 0) async throws -> [SnapshotFile] {
        var options = [
            "FORMAT parquet", "RETURN_STATS", "OVERWRITE_OR_IGNORE",
            "FILENAME_PATTERN \(SQLText.literal("\(staging.snapshot)_\(batch)_{i}"))",
        ]
        if partitionBy.isEmpty {
            options.append("FILE_SIZE_BYTES '1GB'")
        } else {
            // The columns are in the files too: their types survive, and every file reads alone.
            options += ["PARTITION_BY (\(SQLText.identifiers(partitionBy)))", "WRITE_PARTITION_COLUMNS true"]
        }
        let rows = try await session.rows(
            Written.self, "COPY (\(select)) TO \(SQLText.literal(folder)) (\(options.joined(separator: ", ")))")
        return rows.map { row in
            SnapshotFile(
                path: String(row.filename.dropFirst(folder.count + 1)), rows: Int64(row.count) ?? 0,
                bytes: Int64(row.file_size_bytes) ?? 0, partition: row.partition_keys ?? [:])
        }
    }

    /// Writes a file without rows, for a snapshot that would have no file and so no schema.
    func writeEmpty(_ select: String) async throws -> [SnapshotFile] {
        var plain = self
        plain = SnapshotWriter(session: session, staging: staging, partitionBy: [])
        return try await plain.write("SELECT * FROM (\(select)) LIMIT 0")
    }
}
