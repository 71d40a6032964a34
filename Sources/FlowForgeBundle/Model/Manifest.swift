public import FlowForgeDomain
public import FlowForgeProtocol

/// A validated `flowforge.yaml`. The same value, in canonical JSON, is the OCI config blob of the
/// packed bundle, which is what the control plane and the agent read.
public struct Manifest: Hashable, Sendable, Codable {
    public var name: String
    public var version: String
    public var description: String
    /// Sorted by name, as are `variables`, `flows` and each flow's `tasks`.
    public var parameters: [ParameterSpec]
    /// Bound by the environment. Without a default the environment must bind it.
    public var variables: [ParameterSpec]
    public var flows: [FlowSpec]
    /// Inputs that another bundle of the environment writes.
    public var external: [AssetName]
    /// Paths of data contracts, relative to the bundle; absent where there is none.
    public var contracts: [String]?
    /// What its commands need of Python; absent: nothing beyond what they find.
    public var python: PythonSpec?

    public init(
        name: String, version: String, description: String = "", parameters: [ParameterSpec] = [],
        variables: [ParameterSpec] = [], flows: [FlowSpec], external: [AssetName] = [], contracts: [String]? = nil,
        python: PythonSpec? = nil
    ) {
        self.name = name
        self.version = version
        self.description = description
        self.parameters = parameters
        self.variables = variables
        self.flows = flows
        self.external = external
        self.contracts = contracts
        self.python = python
    }

    /// What SQL sees through `getvariable` beside parameters and variables; none of them may have
    /// such a name. `run_time` (TIMESTAMPTZ) is when the run was created, the same in every retry;
    /// `scheduled_for` (TIMESTAMPTZ) is the moment that it is meant for, `run_time` where there is none;
    /// `run_id` (VARCHAR) is the run.
    public static let builtInVariables = ["run_id", "run_time", "scheduled_for"]
}

public struct FlowSpec: Hashable, Sendable, Codable {
    public var name: String
    public var description: String
    public var tasks: [TaskSpec]
    /// What starts it by itself, sorted by name; absent where there is nothing.
    public var triggers: [TriggerSpec]?
    /// How many of its runs may go on at once in an environment; absent: any number.
    public var concurrency: Int?
    /// How long a run may take from its first attempt's start.
    public var timeoutSeconds: Double?
    /// -100 … 100; absent: 0.
    public var priority: Int?
    /// The pool that its tasks ask for, and that looks for the files of its triggers, by the name that environments
    /// declare it under; absent: the environment's own.
    public var pool: String?

    public init(
        name: String, description: String = "", tasks: [TaskSpec], concurrency: Int? = nil,
        timeoutSeconds: Double? = nil, priority: Int? = nil, triggers: [TriggerSpec]? = nil,
        pool: String? = nil
    ) {
        self.name = name
        self.description = description
        self.tasks = tasks
        self.concurrency = concurrency
        self.timeoutSeconds = timeoutSeconds
        self.priority = priority
        self.pool = pool
        self.triggers = triggers
    }
}

/// One task. Exactly one of `sql` (engine `duckdb`), `source` (engine `duckdb`, an ingest) and
/// `command` (engine `command`) is present.
public struct TaskSpec: Hashable, Sendable, Codable {
    public var name: String
    public var description: String
    public var layer: Layer
    /// `duckdb` or `command`; engines are a seam, so this is open text.
    public var engine: String
    /// Path of the SELECT, relative to the bundle.
    public var sql: String?
    public var source: SourceSpec?
    /// The executable (a path in the bundle) and its arguments.
    public var command: [String]?
    public var inputs: [AssetName]
    public var output: AssetName?
    public var load: LoadSpec
    /// What the manifest says of output columns: tags and descriptions.
    public var columns: [ColumnSpec]
    public var checks: [CheckSpec]
    public var retry: RetrySpec
    /// Wall clock of one attempt.
    public var timeoutSeconds: Double
    public var resources: ResourceSpec
    /// Units that an attempt takes from resources that the control plane limits, by name.
    public var limits: [String: Int]?
    /// What becomes of an attempt whose agent cannot reach the control plane until its lease lapses;
    /// absent: it goes on.
    public var whenCutOff: WhenCutOff?
    /// Tasks of the flow that come before it although it reads nothing of theirs.
    public var after: [String]?
    /// Names of the environment's credentials that its program may read; `command` only.
    public var credentials: [String]?
    /// The pool that it asks for; absent: what its flow asks for.
    public var pool: String?

    public init(
        name: String, layer: Layer, engine: String = "duckdb", sql: String? = nil, source: SourceSpec? = nil,
        command: [String]? = nil, inputs: [AssetName] = [], output: AssetName?, load: LoadSpec = LoadSpec(),
        columns: [ColumnSpec] = [], checks: [CheckSpec] = [], retry: RetrySpec = RetrySpec(),
        timeoutSeconds: Double = 3600, resources: ResourceSpec = ResourceSpec(), description: String = "",
        limits: [String: Int]? = nil, whenCutOff: WhenCutOff? = nil, after: [String]? = nil,
        credentials: [String]? = nil, pool: String? = nil
    ) {
        self.name = name
        self.description = description
        self.layer = layer
        self.engine = engine
        self.sql = sql
        self.source = source
        self.command = command
        self.inputs = inputs
        self.output = output
        self.load = load
        self.columns = columns
        self.checks = checks
        self.retry = retry
        self.timeoutSeconds = timeoutSeconds
        self.resources = resources
        self.limits = limits
        self.whenCutOff = whenCutOff
        self.after = after
        self.credentials = credentials
        self.pool = pool
    }
}

/// See ``TaskSpec/whenCutOff``.
public enum WhenCutOff: String, Sendable, Codable, CaseIterable {
    /// It finishes, and its outcome counts if nobody else was given the task meanwhile.
    case finish
    /// It is killed when its lease lapses, so that no two attempts run at once.
    case stop
}

public struct LoadSpec: Hashable, Sendable, Codable {
    public var mode: LoadMode
    /// `merge` and `scd2`.
    public var keys: [String]
    /// Hive partition columns of the files; needed by `partition-overwrite`, allowed with `replace` and `append`.
    public var partitionBy: [String]

    public init(mode: LoadMode = .replace, keys: [String] = [], partitionBy: [String] = []) {
        self.mode = mode
        self.keys = keys
        self.partitionBy = partitionBy
    }
}

public struct ColumnSpec: Hashable, Sendable, Codable {
    public var name: String
    public var description: String
    /// `sensitive` keeps the column's extremes on the agent.
    public var tags: [String]

    public init(name: String, description: String = "", tags: [String] = []) {
        self.name = name
        self.description = description
        self.tags = tags
    }
}

public struct RetrySpec: Hashable, Sendable, Codable {
    /// Attempts after the first.
    public var retries: Int
    public var delaySeconds: Double
    /// By what the delay grows with each failure; absent: 2.
    public var backoff: Double?
    /// The part of a delay that chance may take off it, 0 … 1; absent: 0.1.
    public var jitter: Double?
    public var longestDelaySeconds: Double?

    public init(
        retries: Int = 0, delaySeconds: Double = 5, backoff: Double? = nil, jitter: Double? = nil,
        longestDelaySeconds: Double? = nil
    ) {
        self.retries = retries
        self.delaySeconds = delaySeconds
        self.backoff = backoff
        self.jitter = jitter
        self.longestDelaySeconds = longestDelaySeconds
    }

    public var policy: RetryPolicy {
        RetryPolicy(
            retries: retries, delaySeconds: delaySeconds, backoff: backoff ?? 2,
            jitter: jitter ?? RetryPolicy.defaultJitter, longestDelaySeconds: longestDelaySeconds ?? RetryPolicy.longestDelay)
    }
}

public struct ResourceSpec: Hashable, Sendable, Codable {
    public var memoryBytes: Int64
    public var threads: Int

    public init(memoryBytes: Int64 = 1 << 30, threads: Int = 2) {
        self.memoryBytes = memoryBytes
        self.threads = threads
    }
}

extension Manifest {
    public func flow(_ name: String) -> FlowSpec? { flows.first { $0.name == name } }
}

extension FlowSpec {
    public func task(_ name: String) -> TaskSpec? { tasks.first { $0.name == name } }

    /// The pool that the task asks for; `nil`: the environment's own.
    public func pool(of task: TaskSpec) -> String? { task.pool ?? pool }

    /// Every pool that it asks for.
    public var pools: Set<String> { Set((tasks.map(\.pool) + [pool]).compactMap(\.self)) }
}

extension FlowSpec {
    /// Its tasks as a graph has them.
    public var nodes: [TaskGraph.Node] {
        tasks.map { TaskGraph.Node(name: $0.name, inputs: $0.inputs, output: $0.output, after: $0.after ?? []) }
    }
}
