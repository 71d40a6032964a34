public import FlowForgeProtocol
import Foundation
public import Logging

/// Runs one attempt on the engine that its task names and tells what happened, as OpenLineage events
/// and as the attempt's end.
public struct TaskRunner: Sendable {
    let engines: [String: any TaskEngine]
    let logger: Logger

    public init(engines: [any TaskEngine], logger: Logger) {
        self.engines = Dictionary(engines.map { ($0.name, $0) }) { first, _ in first }
        self.logger = logger
    }

    /// Never throws: whatever goes wrong is an outcome. When the calling Swift task is cancelled the
    /// outcome is `cancelled`; the caller, who knows why it cancelled, may turn it into `timedOut`.
    /// `logLines` is left 0 for the caller, who counts them.
    public func run(_ work: TaskWork, reporting: any TaskReporting) async -> AgentAPI.Finished {
        AgentAPI.Finished(outcome: .failed, metrics: TaskMetrics(), error: TaskError(code: "engine_missing", message: "not built yet"))
    }
}
