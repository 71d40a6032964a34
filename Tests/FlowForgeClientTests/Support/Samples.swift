import FlowForgeProtocol
import Foundation

/// Answers of the API to build tests on.
enum Samples {
    static let now = Date(timeIntervalSince1970: 1_795_400_000)
    static let agent = ID<Agent>.make(at: now)
    static let run = ID<Run>.make(at: now)

    static func principal(_ role: Role = .owner) -> OperatorAPI.PrincipalView {
        .init(id: .make(at: now), name: "ada", role: role, createdAt: now, expiresAt: nil, revoked: false)
    }

    static func attempt(
        _ state: AttemptState, number: Int = 1, seconds: Double = 4.1, metrics: TaskMetrics? = nil, checks: [CheckResult] = [],
        error: TaskError? = nil, progress: TaskProgress? = nil
    ) -> OperatorAPI.AttemptView {
        .init(
            id: .make(at: now), number: number, state: state, agent: agent, agentName: "demo", leasedAt: now, startedAt: now,
            finishedAt: state.isFinal ? now.addingTimeInterval(seconds) : nil, progress: progress, metrics: metrics,
            checks: checks,
            error: error, snapshot: nil)
    }

    static func task(
        _ name: String, _ layer: Layer, _ state: TaskState, output: String? = nil, attempts: [OperatorAPI.AttemptView] = []
    ) -> OperatorAPI.TaskView {
        .init(
            name: name, layer: layer, engine: "duckdb", state: state, dependsOn: [], output: output.flatMap { AssetName($0) },
            attempts: attempts, pool: "local")
    }

    static func run(
        _ state: RunState, version: Int64 = 1, tasks: [OperatorAPI.TaskView]? = nil, parameters: [String: JSONValue] = [:]
    ) -> OperatorAPI.RunView {
        .init(
            id: run, environment: "dev", bundle: .init(name: "nyc-flights", version: "1.0.0", digest: "sha256:00"),
            flow: "medallion", state: state, parameters: parameters, createdAt: now, startedAt: now,
            finishedAt: state.isFinal ? now.addingTimeInterval(12.4) : nil, createdBy: "principal:ada", version: version,
            tasks: tasks)
    }

    /// A run in which one of everything happened.
    static var mixedRun: OperatorAPI.RunView {
        run(
            .failed,
            tasks: [
                task(
                    "ingest_flights", .bronze, .succeeded, output: "bronze.flights",
                    attempts: [
                        attempt(
                            .succeeded, metrics: TaskMetrics(rowsRead: 336_780, rowsWritten: 336_776, rowsQuarantined: 4),
                            checks: [
                                CheckResult(
                                    name: "row_count", kind: "row_count", severity: .fail, passed: true, message: "336776 rows"),
                                CheckResult(
                                    name: "not_null(tailnum)", kind: "not_null", column: "tailnum", severity: .warn,
                                    passed: false,
                                    failingRows: 2512, message: "2512 nulls, none allowed"),
                            ])
                    ]),
                task(
                    "flights", .silver, .failed, output: "silver.flights",
                    attempts: [
                        attempt(.lost, number: 1),
                        attempt(
                            .failed, number: 2, seconds: 0.42,
                            error: TaskError(
                                code: "sql_error", message: "Binder Error: column \"dep\" not found\nLINE 1: SELECT dep",
                                hint: "did you mean dep_time?")),
                    ]),
                task("carrier_punctuality", .gold, .skipped, output: "gold.carrier_punctuality"),
            ])
    }
}
