import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// A task that is one SELECT over its inputs.
struct SelectTask: Sendable {
    let engine: DuckDBEngine
    let work: TaskWork

    static let steps = ["preparing inputs"] + SnapshotBuild.steps

    func run(_ reporting: any TaskReporting) async throws -> TaskResult {
        let start = ContinuousClock.now
        guard let asset = work.task.output, let file = work.task.sql else {
            throw TaskError(code: "manifest", message: "task '\(work.task.name)' has neither sql nor source", hint: "give it one")
        }
        let journal = TaskJournal(reporting: reporting, steps: Self.steps)
        let inputs = try InputViews(work)
        let query = try TaskQuery.read(file, in: work.bundleFolder)
        let build = try SnapshotBuild(work, asset: asset, journal: journal)
        let settings = try engine.settings(
            for: work, folders: inputs.folders + build.folders, variables: TaskVariables(work))
        let known = inputs.snapshots.flatMap { [$0.asset.description] + $0.folder.record.schema.map(\.name) }

        let (built, output, tree, names) = try await engine.withSession(
            settings, work: work, staging: build.staging, known: known, query: query,
            started: { try await reporting.started(pid: $0) }
        ) { session in
            let (incoming, tree) = try await journal.step("preparing inputs") {
                try await session.execute(inputs.statements)
                let tree = try await query.prepare(in: session)
                return (try await IncomingRows.single(TaskQuery.select, in: session), tree)
            } done: { _ in
                "prepared \(inputs.snapshots.count) inputs, \(inputs.rows) rows"
            }
            let built = try await build.build(incoming, in: session)
            return (built, try await build.seal(built, ending: session), tree, incoming.schema.map(\.name))
        }
        let metrics = TaskMetrics(
            rowsRead: inputs.rows, rowsWritten: built.loaded.rowsWritten, bytesRead: inputs.bytes,
            bytesWritten: built.loaded.bytesWritten, wallSeconds: start.secondsUntilNow)
        return TaskResult(
            metrics: metrics, checks: built.checks, output: output, error: built.error,
            facts: TaskFacts(inputs: inputs.facts, columnLineage: lineage(of: tree, inputs: inputs, output: names)))
    }

    private func lineage(of tree: JSONValue?, inputs: InputViews, output: [String]) -> ColumnLineage? {
        tree.map { tree in
            ColumnLineageResolver(inputs: inputs.snapshots.map { ($0.asset, $0.folder.record.schema) })
                .lineage(of: tree, output: output)
        }
    }
}

extension ContinuousClock.Instant {
    var secondsUntilNow: Double {
        let parts = (ContinuousClock.now - self).components
        return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    }
}
