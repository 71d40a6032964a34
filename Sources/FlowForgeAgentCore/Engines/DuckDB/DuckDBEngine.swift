public import FlowForgeProtocol
import Foundation
public import Logging

/// Engine `duckdb`: ingests and SELECT tasks, each in a DuckDB child process of its own.
public struct DuckDBEngine: TaskEngine {
    public let name = "duckdb"
    let host: EngineHost
    let logger: Logger

    public init(host: EngineHost, logger: Logger) {
        self.host = host
        self.logger = logger
    }

    public func probe() async throws(TaskError) -> String { throw TaskError(code: "engine_missing", message: "not built yet") }

    public func run(_ work: TaskWork, reporting: any TaskReporting) async throws -> TaskResult {
        throw TaskError(code: "engine_missing", message: "not built yet")
    }
}
