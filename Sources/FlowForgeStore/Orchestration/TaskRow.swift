public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// A task of a run that is to be stored.
public struct NewTask: Sendable {
    public var name: String
    public var layer: Layer
    public var engine: String
    public var inputs: [AssetName]
    public var output: AssetName?
    public var retry: RetryPolicy
    /// Names of tasks of the same run, stored before this one.
    public var dependsOn: [String]

    public init(
        name: String, layer: Layer, engine: String, inputs: [AssetName], output: AssetName?, retry: RetryPolicy,
        dependsOn: [String]
    ) {
        self.name = name
        self.layer = layer
        self.engine = engine
        self.inputs = inputs
        self.output = output
        self.retry = retry
        self.dependsOn = dependsOn
    }
}

public struct TaskRow: Sendable {
    public var id: Int64
    public var run: ID<Run>
    public var name: String
    public var environment: String
    public var pool: String
    public var layer: Layer
    public var engine: String
    public var inputs: [AssetName]
    public var output: AssetName?
    public var retry: RetryPolicy
    public var state: TaskState
    /// When it may be claimed; present exactly while it is ready.
    public var readyAt: Date?
    /// How many attempts were made.
    public var attempts: Int
    public var failures: Int
    public var losses: Int

    public var lifecycle: TaskLifecycle { TaskLifecycle(state: state, failures: failures, losses: losses) }
}

extension TaskRow {
    init(_ row: Row) throws {
        let retryDelay: Int64 = row["retry_delay"]
        let output: String? = row["output"]
        self.init(
            id: row["id"], run: try row.id("run"), name: row["name"], environment: row["environment"],
            pool: row["pool"], layer: try row.word("layer"), engine: row["engine"],
            inputs: try row.json([AssetName].self, "inputs"), output: output.flatMap { AssetName($0) },
            retry: RetryPolicy(retries: row["retries"], delaySeconds: Double(retryDelay) / 1000),
            state: try row.word("state"), readyAt: row.date("ready_at"), attempts: row["attempts"],
            failures: row["failures"], losses: row["losses"])
    }
}
