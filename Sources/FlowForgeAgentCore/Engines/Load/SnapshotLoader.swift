import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// Makes the next snapshot out of a task's rows and the snapshot before, in the task's load mode.
/// Files of the base that do not change are linked, not written again.
struct SnapshotLoader: Sendable {
    let session: DuckDBSession
    let staging: SnapshotStaging
    let asset: AssetName
    let load: LoadSpec
    /// The output's current snapshot; `nil` on the first load.
    let base: SnapshotFolder?

    struct Loaded: Sendable {
        var files: [SnapshotFile]
        var schema: [ColumnSchema]
        var uniform: Bool
        /// Rows that this attempt brought: not those of the base that it kept or rewrote.
        var rowsWritten: Int64
        /// Rows that came in, whether or not they changed anything.
        var rowsIncoming: Int64
        /// Bytes of the files that are new.
        var bytesWritten: Int64
    }

    var writer: SnapshotWriter { SnapshotWriter(session: session, staging: staging, partitionBy: load.partitionBy) }

    func load(_ incoming: IncomingRows) async throws -> Loaded {
        try checkPartitionColumns(incoming)
        switch load.mode {
        case .replace: return try await replace(incoming)
        case .append: return try await append(incoming)
        case .partitionOverwrite: return try await overwritePartitions(incoming)
        case .merge: return try await merge(incoming)
        case .scd2: return try await slowlyChange(incoming)
        case .unknown:
            throw TaskError(
                code: "load_mode", message: "this agent does not know the load mode of \(asset)", hint: "update the agent")
        }
    }

    private func replace(_ incoming: IncomingRows) async throws -> Loaded {
        let new = try await writeAll(incoming)
        return try await finish(new: new, columns: incoming.schema, kept: [], schema: incoming.schema)
    }

    private func append(_ incoming: IncomingRows) async throws -> Loaded {
        guard let base else { return try await replace(incoming) }
        let schema = try SchemaDrift.joined(base: base.record.schema, new: incoming.schema, asset: asset)
        try checkPartitioning(base)
        let new = try await writeAll(incoming)
        return try await finish(new: new, columns: incoming.schema, kept: base.record.files, schema: schema)
    }

    private func overwritePartitions(_ incoming: IncomingRows) async throws -> Loaded {
        guard let base else { return try await replace(incoming) }
        let schema = try SchemaDrift.joined(base: base.record.schema, new: incoming.schema, asset: asset)
        try checkPartitioning(base)
        let new = try await writeAll(incoming)
        let touched = Set(new.map(\.partition))
        let kept = base.record.files.filter { !touched.contains($0.partition) }
        return try await finish(new: new, columns: incoming.schema, kept: kept, schema: schema)
    }

    /// Writes every batch. A file without rows is removed again: beside others it would only cost
    /// readers a look, and ``finish(new:columns:kept:schema:rowsWritten:)`` sees to a snapshot without any.
    private func writeAll(_ incoming: IncomingRows) async throws -> [SnapshotFile] {
        var files: [SnapshotFile] = []
        for (number, batch) in incoming.batches.enumerated() {
            files += try await writer.write(batch.select, batch: number)
            try await batch.afterwards?()
        }
        for file in files where file.rows == 0 {
            try FileManager.default.removeItem(at: staging.rows.appending(path: file.path))
        }
        return files.filter { $0.rows > 0 }
    }

    /// Links the kept files of the base beside the new ones, which hold `columns`, and sees to it
    /// that there is at least one file.
    func finish(
        new: [SnapshotFile], columns: [ColumnSchema], kept: [SnapshotFile], schema: [ColumnSchema], rowsWritten: Int64? = nil,
        rowsIncoming: Int64? = nil
    ) async throws -> Loaded {
        let written = rowsWritten ?? new.reduce(0) { $0 + $1.rows }
        var loaded = Loaded(
            files: kept + new, schema: schema, uniform: sameColumns(columns, schema),
            rowsWritten: written, rowsIncoming: rowsIncoming ?? written, bytesWritten: new.reduce(0) { $0 + $1.bytes })
        if let base, !kept.isEmpty {
            for file in kept { try staging.link(file, from: base) }
            if new.isEmpty {
                // A column that no file has could not be read.
                loaded.schema = base.record.schema
                loaded.uniform = base.record.uniform
            } else {
                loaded.uniform = loaded.uniform && base.record.uniform && sameColumns(base.record.schema, schema)
            }
        }
        if loaded.files.isEmpty {
            let nulls = schema.map { "CAST(NULL AS \($0.type)) AS \(SQLText.identifier($0.name))" }
            loaded.files = try await writer.writeEmpty("SELECT \(nulls.joined(separator: ", "))")
            loaded.uniform = true
        }
        return loaded
    }

    private func sameColumns(_ left: [ColumnSchema], _ right: [ColumnSchema]) -> Bool {
        left.map(\.name) == right.map(\.name)
    }

    private func checkPartitionColumns(_ incoming: IncomingRows) throws {
        let names = Set(incoming.schema.map { $0.name.lowercased() })
        guard let missing = load.partitionBy.first(where: { !names.contains($0.lowercased()) }) else { return }
        throw TaskError(
            code: "schema_mismatch", message: "\(asset) is partitioned by '\(missing)', which the task does not produce",
            hint: "add the column to the SELECT or change load.partition_by")
    }

    private func checkPartitioning(_ base: SnapshotFolder) throws {
        guard base.record.partitionBy != load.partitionBy else { return }
        throw TaskError(
            code: "schema_changed", message: "the partition columns of \(asset) changed since its last snapshot",
            hint: "load it once in mode `replace`, or give the new layout a new asset")
    }
}
