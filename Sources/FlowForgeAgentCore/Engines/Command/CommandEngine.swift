import FlowForgeBundle
public import FlowForgeProtocol
import Foundation
public import Logging

/// Engine `command`: an executable of the bundle. It finds its inputs and where to write in its
/// environment (docs/bundle.md); what it writes there becomes the snapshot in the task's load mode,
/// by the same way as a SELECT's rows.
public struct CommandEngine: TaskEngine {
    public let name = "command"
    let host: EngineHost
    let logger: Logger
    let pythons: PythonEnvironments?

    /// - Parameter pythons: where environments of locked packages are made; without it bundles that want one fail.
    public init(host: EngineHost, logger: Logger, pythons: PythonEnvironments? = nil) {
        self.host = host
        self.logger = logger
        self.pythons = pythons
    }

    /// Offered where commands can be launched and, since DuckDB publishes what they write, DuckDB is there.
    public func probe() async throws(TaskError) -> String {
        _ = try await EngineProbe(host: host).duckdbVersion()
        return FlowForgeVersion.current
    }

    public func run(_ work: TaskWork, reporting: any TaskReporting) async throws -> TaskResult {
        let journal = TaskJournal(
            reporting: reporting, steps: ["running the command"] + (work.task.output == nil ? [] : SnapshotBuild.steps))
        let inputs = try InputViews(work)
        let build = try work.task.output.map { try SnapshotBuild(work, asset: $0, journal: journal) }
        do {
            let output = work.workspace.appending(path: "output")
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
            let base = build?.base
            try await journal.step("running the command") {
                try await withPython(work, reporting) { python in
                    try await CommandTask(host: host, work: work, inputs: inputs, base: base, output: output, python: python)
                        .run(reporting)
                }
            } done: {
                "the command ended"
            }
            guard let build else {
                return TaskResult(
                    metrics: TaskMetrics(rowsRead: inputs.rows, bytesRead: inputs.bytes), facts: TaskFacts(inputs: inputs.facts))
            }
            return try await publish(from: output, build: build, inputs: inputs, work: work)
        } catch {
            do { try build?.staging.discard() } catch { logger.warning("cannot remove \(work.workspace.path()): \(error)") }
            throw error
        }
    }

    private func withPython(
        _ work: TaskWork, _ reporting: any TaskReporting, _ body: @Sendable (URL?) async throws -> Void
    ) async throws {
        guard let spec = work.manifest.python else { return try await body(nil) }
        guard let pythons else {
            throw TaskError(code: "python_missing", message: "this agent makes no Python environments")
        }
        try await pythons.with(spec, of: work, reporting: reporting, body)
    }

    private func publish(from output: URL, build: SnapshotBuild, inputs: InputViews, work: TaskWork) async throws -> TaskResult {
        let written = try SourceFiles(matching: output.path(percentEncoded: false) + "/**/*.parquet", relativeTo: output).files
        guard !written.isEmpty else {
            throw TaskError(
                code: "output_missing", message: "the command wrote no Parquet file to FLOWFORGE_OUTPUT",
                hint: "write at least one, if need be without rows")
        }
        let engine = DuckDBEngine(host: host, logger: logger)
        let settings = try engine.settings(
            for: work, folders: inputs.folders + build.folders, variables: TaskVariables(work))
        let select =
            "SELECT * FROM read_parquet(\(SQLText.list(written.map { SourceReader.escapingWildcards($0.path) })), hive_partitioning = false, union_by_name = true)"
        let (built, output) = try await engine.withSession(
            settings, work: work, staging: build.staging, known: [], started: { _ in }
        ) { session in
            try await session.execute(inputs.statements)
            let built = try await build.build(try await IncomingRows.single(select, in: session), in: session)
            return (built, try await build.seal(built, ending: session))
        }
        return TaskResult(
            metrics: TaskMetrics(
                rowsRead: inputs.rows, rowsWritten: built.loaded.rowsWritten, bytesRead: inputs.bytes,
                bytesWritten: built.loaded.bytesWritten),
            checks: built.checks, output: output, error: built.error, facts: TaskFacts(inputs: inputs.facts))
    }
}
