import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// A task's inputs as views over their snapshots: `silver.flights` and so on.
struct InputViews: Sendable {
    let snapshots: [(asset: AssetName, folder: SnapshotFolder)]

    /// Throws `input_missing` where an input was never published, `snapshot_unreadable` where it
    /// cannot be read here.
    init(_ work: TaskWork) throws {
        let assignment = work.assignment
        snapshots = try work.task.inputs.sorted().map { asset in
            guard let reference = assignment.inputs[asset] else {
                throw TaskError(
                    code: "input_missing",
                    message: "\(asset) was never published in environment '\(assignment.environment)'",
                    hint: "run the flow that writes it first")
            }
            let url = try work.lake.snapshot(reference, of: asset, environment: assignment.environment)
            return (asset, try SnapshotFolder.open(url, of: asset))
        }
    }

    var folders: [URL] { snapshots.map(\.folder.url) }
    var rows: Int64 { snapshots.reduce(0) { $0 + $1.folder.record.rows } }
    var bytes: Int64 { snapshots.reduce(0) { $0 + $1.folder.record.bytes } }

    var facts: [InputFacts] {
        snapshots.map { asset, folder in
            let record = folder.record
            return InputFacts(
                origin: .asset(asset), schema: record.schema, rows: record.rows, bytes: record.bytes,
                files: record.files.count, snapshot: record.snapshot)
        }
    }

    var statements: [String] {
        Set(snapshots.map(\.asset.layer.rawValue)).sorted().map { "CREATE SCHEMA \(SQLText.identifier($0))" }
            + snapshots.map { "CREATE VIEW \(SQLText.name(of: $0.asset)) AS \($0.folder.select())" }
    }
}
