import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// From new rows to a sealed snapshot: load, check, measure. The way of every engine whose rows end
/// in the lake.
struct SnapshotBuild: Sendable {
    let work: TaskWork
    let asset: AssetName
    let staging: SnapshotStaging
    /// The output's snapshot before this one.
    let base: SnapshotFolder?
    let journal: TaskJournal

    static let steps = ["writing rows", "checking and measuring", "sealing the snapshot"]

    init(_ work: TaskWork, asset: AssetName, journal: TaskJournal) throws {
        let assignment = work.assignment
        self.work = work
        self.asset = asset
        self.journal = journal
        base = try assignment.base.map {
            try SnapshotFolder.open(work.lake.snapshot($0, of: asset, environment: assignment.environment), of: asset)
        }
        staging = try SnapshotStaging(
            asset: work.lake.asset(asset, environment: assignment.environment), attempt: assignment.attempt, snapshot: .make())
    }

    /// What a session needs to read and write for this.
    var folders: [URL] { [staging.folder] + (base.map { [$0.url] } ?? []) }

    struct Built: Sendable {
        var record: SnapshotRecord
        var loaded: SnapshotLoader.Loaded
        var checks: [CheckResult]
        var statistics: [ColumnStatistics]

        /// What a failed check with severity `fail` makes of the task.
        var error: TaskError? {
            let failed = checks.filter { !$0.passed && $0.severity != .warn }
            guard !failed.isEmpty else { return nil }
            return TaskError(
                code: "check_failed",
                message: failed.map { "\($0.name): \($0.message)" }.joined(separator: "; "),
                hint: "the new rows were not published; readers still see the snapshot before")
        }
    }

    /// Writes the files, runs the checks on them and measures them, in the staging folder.
    func build(_ incoming: IncomingRows, in session: DuckDBSession) async throws -> Built {
        let loader = SnapshotLoader(session: session, staging: staging, asset: asset, load: work.task.load, base: base)
        let loaded = try await journal.step("writing rows") {
            try await loader.load(incoming)
        } done: {
            "wrote \($0.rowsWritten) rows to \(asset) (\(work.task.load.mode.rawValue), \($0.files.count) files)"
        }
        var record = record(of: loaded)
        // Types as readers will find them in the files.
        let view = SnapshotFolder(url: staging.rows, record: record).select()
        try await session.execute("CREATE VIEW this AS \(view)")
        let types = try await IncomingRows.describe("SELECT * FROM this", in: session)
        record.schema = tagged(types)
        let measured = try await measure(record.schema, in: session)
        return Built(record: record, loaded: loaded, checks: measured.checks, statistics: measured.statistics)
    }

    private func measure(
        _ schema: [ColumnSchema], in session: DuckDBSession
    ) async throws -> (checks: [CheckResult], statistics: [ColumnStatistics]) {
        try checkColumnsExist(schema)
        return try await journal.step("checking and measuring") {
            var profile = SnapshotProfile()
            let checks = CheckRun(work.task.checks, in: &profile)
            let columns = ColumnMeasures(schema, in: &profile)
            try await profile.run(in: session)
            return (try await checks.results(from: profile, in: session), columns.statistics(from: profile))
        } done: { result in
            let failed = result.checks.filter { !$0.passed }
            return "\(result.checks.count) checks, \(failed.count) failed"
                + failed.map { "\n\($0.severity == .warn ? "warning" : "failed"): \($0.name): \($0.message)" }.joined()
        }
    }

    /// Ends the session and, while its process goes, gives the snapshot its name, or removes it where
    /// a check failed.
    func seal(_ built: Built, ledger: [IngestedFile]? = nil, ending session: DuckDBSession) async throws -> TaskOutput? {
        try await session.end()
        guard built.error == nil else {
            try staging.discard()
            return nil
        }
        var record = built.record
        record.ledger = ledger
        try await journal.step("sealing the snapshot") {
            try staging.seal(record)
        } done: {
            "sealed \(record.snapshot)"
        }
        return TaskOutput(
            asset: asset, snapshot: record.snapshot, location: staging.location, rows: record.rows, bytes: record.bytes,
            schema: record.schema, statistics: built.statistics)
    }

    private func record(of loaded: SnapshotLoader.Loaded) -> SnapshotRecord {
        SnapshotRecord(
            asset: asset, snapshot: staging.snapshot, run: work.assignment.run, attempt: work.assignment.attempt,
            createdAt: work.assignment.runTime, rows: loaded.files.reduce(0) { $0 + $1.rows },
            bytes: loaded.files.reduce(0) { $0 + $1.bytes }, schema: loaded.schema, partitionBy: work.task.load.partitionBy,
            uniform: loaded.uniform, files: loaded.files)
    }

    private func tagged(_ schema: [ColumnSchema]) -> [ColumnSchema] {
        let tags = Dictionary(work.task.columns.map { ($0.name.lowercased(), $0.tags) }) { $0 + $1 }
        return schema.map { ColumnSchema(name: $0.name, type: $0.type, tags: tags[$0.name.lowercased()] ?? []) }
    }

    /// Says which check or tag names a column that is not there, before DuckDB says it less plainly.
    private func checkColumnsExist(_ schema: [ColumnSchema]) throws {
        let names = Set(schema.map { $0.name.lowercased() })
        // A tag on a name that is not there would protect nothing.
        if let unknown = work.task.columns.first(where: { !names.contains($0.name.lowercased()) }) {
            throw TaskError(
                code: "schema_mismatch", message: "`columns` describes '\(unknown.name)', which \(asset) does not have",
                hint: "its columns are \(schema.map(\.name).joined(separator: ", "))")
        }
        for check in work.task.checks {
            let wanted: [String] =
                if case .unique(let columns) = check.rule { columns } else { check.rule.column.map { [$0] } ?? [] }
            for column in wanted where !names.contains(column.lowercased()) {
                throw TaskError(
                    code: "schema_mismatch", message: "check \(check.name) looks at '\(column)', which \(asset) does not have",
                    hint: "its columns are \(schema.map(\.name).joined(separator: ", "))")
            }
        }
    }
}
