import FlowForgeBundle
public import FlowForgeProtocol
import Foundation
public import Logging

/// Engine `duckdb`: SELECT tasks and ingests, each in a DuckDB child process of its own.
public struct DuckDBEngine: TaskEngine {
    /// The version that the bundles' SQL is written for.
    public static let version = PinnedEngine.version
    public let name = "duckdb"
    let host: EngineHost
    let logger: Logger

    public init(host: EngineHost, logger: Logger) {
        self.host = host
        self.logger = logger
    }

    public func probe() async throws(TaskError) -> String { try await EngineProbe(host: host).duckdbVersion() }

    public func run(_ work: TaskWork, reporting: any TaskReporting) async throws -> TaskResult {
        guard work.task.output != nil else {
            throw TaskError(
                code: "manifest", message: "task '\(work.task.name)' of engine duckdb has no output", hint: "name one")
        }
        if let source = work.task.source {
            return try await IngestTask(engine: self, work: work, source: source).run(reporting)
        }
        return try await SelectTask(engine: self, work: work).run(reporting)
    }

    /// What a session of this task may take and see.
    func settings(for work: TaskWork, folders: [URL], files: [String] = [], variables: TaskVariables) throws -> DuckDBSettings {
        let spill = work.workspace.appending(path: ".spill")
        try FileManager.default.createDirectory(at: spill, withIntermediateDirectories: true)
        return DuckDBSettings(
            memoryBytes: min(work.task.resources.memoryBytes, host.memoryBytes),
            threads: min(work.task.resources.threads, host.threads), temporaryFolder: spill, extensions: host.extensions,
            folders: [work.workspace] + folders, files: files, variables: variables.statements)
    }

    /// Runs `body` on a session, makes DuckDB's failures tellable and clears the staging folder after
    /// any failure.
    func withSession<Result: Sendable>(
        _ settings: DuckDBSettings, work: TaskWork, staging: SnapshotStaging, known: [String], query: TaskQuery? = nil,
        started: @Sendable (Int32) async throws -> Void, body: @Sendable (DuckDBSession) async throws -> Result
    ) async throws -> Result {
        do {
            return try await DuckDBSession.open(
                host: host, settings: settings, workspace: work.workspace, name: "duckdb", started: started, body: body)
        } catch {
            do { try staging.discard() } catch { logger.warning("cannot remove \(staging.folder.path()): \(error)") }
            guard let failure = error as? DuckDBFailure else { throw error }
            throw taskError(of: failure, work: work, known: known, query: query)
        }
    }

    private func taskError(of failure: DuckDBFailure, work: TaskWork, known: [String], query: TaskQuery?) -> TaskError {
        logger.error(
            "task failed in DuckDB: \(failure.type): \(failure.message)",
            metadata: ["attempt": "\(work.assignment.attempt)", "run": "\(work.assignment.run)", "task": "\(work.task.name)"])
        let manifest = String(decoding: (try? WireCoding.encode(work.task)) ?? Data(), as: UTF8.self)
        let reducer = ErrorReducer(known: known + [manifest, query?.text ?? ""])
        var message = reducer.reduce(failure)
        if let query, ["Binder", "Catalog", "Parser"].contains(failure.type) {
            let line = query.lineNumber(complainedAboutIn: failure.message).map { ", line \($0)" } ?? ""
            message = "\(query.file)\(line): \(message)"
        }
        let kind = failure.kind
        return TaskError(code: kind.code, message: message, hint: kind.hint, retryable: kind.retryable)
    }
}
