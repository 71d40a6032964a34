import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// `_snapshot.json`, written beside the files of a snapshot: what is true of them whatever version
/// the control plane gives to their publication.
struct SnapshotRecord: Codable, Sendable {
    static let fileName = "_snapshot.json"
    /// The format that this build writes; it refuses to read a later one.
    static let currentFormat = 1

    var format = SnapshotRecord.currentFormat
    var asset: AssetName
    var snapshot: ID<Snapshot>
    var run: ID<Run>
    var attempt: ID<Attempt>
    var createdAt: Date
    var rows: Int64
    var bytes: Int64
    var schema: [ColumnSchema]
    var partitionBy: [String]
    /// Whether every file has exactly the columns of `schema`; if not, readers match them by name and
    /// missing ones are null.
    var uniform: Bool
    var files: [SnapshotFile]
    /// What an ingest has read so far.
    var ledger: [IngestedFile]?
}

/// One Parquet file of a snapshot.
struct SnapshotFile: Codable, Sendable, Hashable {
    /// Relative to the snapshot's folder.
    var path: String
    var rows: Int64
    var bytes: Int64
    /// The values of the partition columns as DuckDB prints them; empty where nothing is partitioned.
    var partition: [String: String?] = [:]
}

/// One raw file that an ingest has read.
struct IngestedFile: Codable, Sendable, Hashable {
    /// Relative to the fixed folder of the source's pattern.
    var path: String
    var size: Int64
    var modifiedAt: Date
    var sha256: String
}

/// A snapshot in the lake.
struct SnapshotFolder: Sendable {
    var url: URL
    var record: SnapshotRecord

    /// Throws a `TaskError` where the folder or its record cannot be read.
    static func open(_ url: URL, of asset: AssetName) throws -> SnapshotFolder {
        let file = url.appending(path: SnapshotRecord.fileName)
        do {
            let record = try WireCoding.decode(SnapshotRecord.self, from: Data(contentsOf: file))
            guard record.format <= SnapshotRecord.currentFormat else {
                throw TaskError(
                    code: "snapshot_unreadable",
                    message: "the snapshot of \(asset) was written by a later release (format \(record.format))",
                    hint: "update this agent")
            }
            return SnapshotFolder(url: url, record: record)
        } catch let error as TaskError {
            throw error
        } catch {
            throw TaskError(
                code: "snapshot_unreadable",
                message: "the snapshot \(url.lastPathComponent) of \(asset) has no readable \(SnapshotRecord.fileName)",
                hint: "check that the lake of the pool is mounted on this agent and was not changed by hand", retryable: true)
        }
    }

    func path(of file: SnapshotFile) -> String {
        let folder = url.path(percentEncoded: false)
        return (folder.hasSuffix("/") ? folder : folder + "/") + file.path
    }

    /// A SELECT of some of the snapshot's files, with the columns of its schema in their order.
    func select(_ files: [SnapshotFile]? = nil) -> String {
        let paths = SQLText.list((files ?? record.files).map(path(of:)))
        let columns = SQLText.identifiers(record.schema.map(\.name))
        guard !record.uniform else { return "SELECT \(columns) FROM read_parquet(\(paths), hive_partitioning = false)" }
        // Of these files none may have a column that others have.
        let typed = record.schema.map { "CAST(NULL AS \($0.type)) AS \(SQLText.identifier($0.name))" }
        return """
            SELECT \(columns) FROM (SELECT \(typed.joined(separator: ", ")) WHERE false UNION ALL BY NAME \
            SELECT * FROM read_parquet(\(paths), hive_partitioning = false, union_by_name = true))
            """
    }
}
