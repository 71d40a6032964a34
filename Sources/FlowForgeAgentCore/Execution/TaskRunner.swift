import FlowForgeBundle
public import FlowForgeProtocol
public import Foundation
public import Logging

/// Runs one attempt on the engine that its task names and tells what happened, as OpenLineage events
/// and as the attempt's end.
public struct TaskRunner: Sendable {
    let engines: [String: any TaskEngine]
    let logger: Logger
    let now: @Sendable () -> Date

    /// Of two engines with one name the first counts.
    public init(engines: [any TaskEngine], logger: Logger, now: @escaping @Sendable () -> Date = { Date() }) {
        self.engines = Dictionary(engines.map { ($0.name, $0) }) { first, _ in first }
        self.logger = logger
        self.now = now
    }

    /// Never throws: whatever goes wrong is an outcome. When the calling Swift task is cancelled the
    /// outcome is `cancelled`; the caller, who knows why it cancelled, may turn it into `timedOut`.
    /// `logLines` is left 0 for the caller, who counts them.
    public func run(_ work: TaskWork, reporting: any TaskReporting) async -> AgentAPI.Finished {
        let start = ContinuousClock.now
        let events = LineageEvents(work: work, engineVersion: Self.engineVersion(of: work.task.engine))
        var finished: AgentAPI.Finished
        do {
            try await reporting.lineage(events.start(at: now()))
            guard let engine = engines[work.task.engine] else {
                throw TaskError(
                    code: "engine_missing", message: "this agent has no engine '\(work.task.engine)'",
                    hint: "it has \(engines.keys.sorted().joined(separator: ", "))")
            }
            let result = try await engine.run(work, reporting: reporting)
            finished = AgentAPI.Finished(
                outcome: result.error == nil ? .succeeded : .failed, metrics: result.metrics, checks: result.checks,
                output: result.error == nil ? result.output : nil, error: result.error)
            try await reporting.lineage(
                result.error.map { events.fail($0, result: result, at: now()) } ?? events.complete(result, at: now()))
        } catch {
            finished = await failed(error, events: events, work: work, reporting: reporting)
        }
        finished.metrics.wallSeconds = start.secondsUntilNow
        if finished.metrics.cpuSeconds == 0 {
            (finished.metrics.cpuSeconds, finished.metrics.peakMemoryBytes) = ProcessUsage.total(in: work.workspace)
        }
        return finished
    }

    private func failed(
        _ error: any Error, events: LineageEvents, work: TaskWork, reporting: any TaskReporting
    ) async -> AgentAPI.Finished {
        let isCancelled = Task.isCancelled || error is CancellationError
        let taskError = Self.taskError(of: error)
        logger.log(
            level: isCancelled ? .info : .error, "attempt ended: \(error)",
            metadata: ["attempt": "\(work.assignment.attempt)", "run": "\(work.assignment.run)", "task": "\(work.task.name)"])
        // The reports still have to reach the spool although this Swift task may be cancelled.
        do {
            if !isCancelled {
                try await reporting.log(.system, "failed: \(taskError.message)\(taskError.hint.map { " (\($0))" } ?? "")")
            }
            try await reporting.lineage(
                isCancelled ? events.abort(at: now()) : events.fail(taskError, result: nil, at: now()))
        } catch {
            logger.error(
                "the end of an attempt could not be reported: \(error)", metadata: ["attempt": "\(work.assignment.attempt)"])
        }
        return AgentAPI.Finished(
            outcome: isCancelled ? .cancelled : .failed, metrics: TaskMetrics(), error: isCancelled ? nil : taskError)
    }

    /// An error that no engine foresaw comes from the machine; its text may hold paths, not data.
    private static func taskError(of error: any Error) -> TaskError {
        if let error = error as? TaskError { return error }
        if let error = error as? CocoaError {
            if error.code == .fileWriteOutOfSpace {
                return TaskError(
                    code: "disk_full", message: "no space left on the agent's disk", hint: "free space where the lake is",
                    retryable: true)
            }
            let path = error.filePath.map { " at \($0)" } ?? ""
            return TaskError(
                code: "io_error", message: "a file operation failed\(path): \(error.localizedDescription)", retryable: true)
        }
        return TaskError(
            code: "engine_failed", message: "the engine failed: \(type(of: error))", hint: "see the agent's log", retryable: true)
    }

    private static func engineVersion(of engine: String) -> String {
        engine == "duckdb" ? DuckDBEngine.version : FlowForgeVersion.current
    }
}
