public import FlowForgeBundle
public import FlowForgeProtocol
public import Foundation

/// The seam behind which tasks run: `duckdb` and `command` now, others beside them later.
///
/// An engine runs each task in child processes, never in the agent. When the calling Swift task is
/// cancelled it ends the whole process tree before it returns.
public protocol TaskEngine: Sendable {
    /// The manifest's `engine`.
    var name: String { get }

    /// The version found on this machine, or why the engine cannot be offered (with what to do).
    func probe() async throws(TaskError) -> String

    /// Writes the task's rows and reports what it did. Throws `TaskError` for a failure that the
    /// manifest's author or the machine caused, and `CancellationError` after a cancellation.
    func run(_ work: TaskWork, reporting: any TaskReporting) async throws -> TaskResult
}

/// Everything an engine needs to run one attempt.
public struct TaskWork: Sendable {
    public var assignment: AgentAPI.Assignment
    public var task: TaskSpec
    /// The bundle's manifest, for the types and defaults of parameters and variables.
    public var manifest: Manifest
    /// The unpacked bundle; read-only.
    public var bundleFolder: URL
    /// An empty folder of this attempt; removed by the caller.
    public var workspace: URL
    public var lake: LakeFolder
    /// A folder in memory with one file for each credential that the task names; `nil` where it names none.
    public var credentials: URL?

    public init(
        assignment: AgentAPI.Assignment, task: TaskSpec, manifest: Manifest, bundleFolder: URL, workspace: URL,
        lake: LakeFolder, credentials: URL? = nil
    ) {
        self.assignment = assignment
        self.task = task
        self.manifest = manifest
        self.bundleFolder = bundleFolder
        self.workspace = workspace
        self.lake = lake
        self.credentials = credentials
    }
}

/// What a successful task did. A failed blocking check is no error: it is a result whose `output` is
/// `nil` and whose `error` says so, so that metrics and checks are kept.
public struct TaskResult: Sendable {
    public var metrics: TaskMetrics
    public var checks: [CheckResult]
    public var output: TaskOutput?
    public var error: TaskError?
    public var facts: TaskFacts

    public init(
        metrics: TaskMetrics, checks: [CheckResult] = [], output: TaskOutput? = nil, error: TaskError? = nil,
        facts: TaskFacts = TaskFacts()
    ) {
        self.metrics = metrics
        self.checks = checks
        self.output = output
        self.error = error
        self.facts = facts
    }
}

/// Where an engine's reports go: the spool. Calls keep their order. They need not be on the disk when
/// they return; a report that could not be spooled is thrown by a later call, or fails the attempt's end.
public protocol TaskReporting: Sendable {
    /// The first process of the task runs.
    func started(pid: Int32) async throws
    func log(_ stream: LogStream, _ text: String) async throws
    func progress(_ progress: TaskProgress) async throws
    func lineage(_ event: OpenLineage.RunEvent) async throws
}
