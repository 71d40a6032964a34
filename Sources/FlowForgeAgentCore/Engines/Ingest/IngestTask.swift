import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// A task that reads raw files into bronze.
struct IngestTask: Sendable {
    let engine: DuckDBEngine
    let work: TaskWork
    let source: SourceSpec

    static let steps = ["finding files"] + SnapshotBuild.steps

    func run(_ reporting: any TaskReporting) async throws -> TaskResult {
        guard let asset = work.task.output else {
            throw TaskError(code: "manifest", message: "task '\(work.task.name)' has no output", hint: "name one")
        }
        let journal = TaskJournal(reporting: reporting, steps: Self.steps)
        let variables = TaskVariables(work)
        let build = try SnapshotBuild(work, asset: asset, journal: journal)
        let keepsLedger = work.task.load.mode == .append
        let ledger = IngestLedger(keepsLedger ? build.base?.record.ledger : nil)
        let arrivals: IngestLedger.Arrivals
        do {
            arrivals = try await journal.step("finding files") {
                try await self.find(variables, ledger: ledger, journal: journal)
            } done: {
                "found \($0.new.count) files to read, \($0.unchanged) already ingested"
            }
        } catch {
            try build.staging.discard()
            throw error
        }
        var settings = try engine.settings(
            for: work, folders: build.folders,
            files: arrivals.new.flatMap { Set([$0.path, SourceReader.escapingWildcards($0.path)]) }, variables: variables)
        settings.variables.append("SET VARIABLE \"ff ingested at\" = \(SQLText.literal(Date()))")

        let (built, output, quarantined) = try await engine.withSession(
            settings, work: work, staging: build.staging, known: source.columns.map(\.name),
            started: { try await reporting.started(pid: $0) }
        ) { session in
            // Hashing needs no DuckDB, so it runs beside it.
            async let entries = keepsLedger ? arrivals.new.map { try IngestLedger.entry(of: $0) } : []
            let quarantine = Quarantine(session: session, folder: build.staging.quarantine)
            let incoming = try await self.incoming(arrivals.new, quarantine: quarantine, session: session, journal: journal)
            let built = try await build.build(incoming, in: session)
            if quarantine.rows > 0 {
                try await journal.say(
                    "warning: \(quarantine.rows) rows went to the quarantine of \(asset), see its _reason column")
            }
            let output = try await build.seal(
                built, ledger: keepsLedger ? ledger.adding(entries) : nil, ending: session)
            return (built, output, quarantine.rows)
        }
        let bytes = arrivals.new.reduce(0) { $0 + $1.size }
        let read = built.loaded.rowsIncoming + quarantined
        let facts = InputFacts(
            origin: .source(pattern: source.path), schema: source.columns.map { ColumnSchema(name: $0.name, type: $0.type) },
            rows: read, bytes: bytes, files: arrivals.new.count)
        return TaskResult(
            metrics: TaskMetrics(
                rowsRead: read, rowsWritten: built.loaded.rowsWritten, rowsQuarantined: quarantined, bytesRead: bytes,
                bytesWritten: built.loaded.bytesWritten),
            checks: built.checks, output: output, error: built.error,
            facts: TaskFacts(inputs: [facts], columnLineage: source.lineage))
    }

    private func find(_ variables: TaskVariables, ledger: IngestLedger, journal: TaskJournal) async throws
        -> IngestLedger.Arrivals
    {
        let pattern = try variables.expand(source.path, in: "source.path", asPath: true)
        let found = try SourceFiles(matching: pattern, relativeTo: work.bundleFolder)
        guard !found.files.isEmpty else {
            throw TaskError(
                code: "source_missing", message: "no file matches \(source.path)",
                hint: "check the variables in it, that the files are there, and that the agent may read the folder",
                retryable: true)
        }
        if let unreadable = found.files.first(where: { !FileManager.default.isReadableFile(atPath: $0.path) }) {
            throw TaskError(
                code: "source_unreadable", message: "\(unreadable.name) cannot be read by the agent",
                hint: "change its permissions")
        }
        let arrivals = try ledger.arrivals(among: found.files)
        for name in arrivals.changed { try await journal.say("warning: \(name) changed since it was ingested; it is read again") }
        return arrivals
    }

    private func incoming(
        _ files: [SourceFiles.File], quarantine: Quarantine, session: DuckDBSession, journal: TaskJournal
    ) async throws -> IncomingRows {
        let conversion = SourceConversion(columns: source.columns)
        let reader = SourceReader(source: source)
        let (batches, ignored) = try await reader.batches(of: files, in: session)
        if !ignored.isEmpty {
            try await journal.say("warning: left out undeclared columns \(ignored.sorted().joined(separator: ", "))")
        }
        var incoming = IncomingRows(
            batches: [], schema: try await IncomingRows.describe(conversion.template, in: session))
        for batch in batches {
            let counters = try await quarantine.newCounters(batch.files.count)
            let selects = zip(batch.selects, counters.names).map { conversion.good($0, bad: $1) }
            incoming.batches.append(
                IncomingRows.Batch(select: selects.joined(separator: " UNION ALL ")) {
                    try await quarantine.collect(batch, counters: counters, conversion: conversion)
                })
        }
        return incoming
    }
}
