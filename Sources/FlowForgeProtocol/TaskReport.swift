public import Foundation

/// What a task cost. Row counts are rows, sizes bytes, times seconds.
public struct TaskMetrics: Hashable, Sendable, Codable {
    public var rowsRead: Int64
    public var rowsWritten: Int64
    public var rowsQuarantined: Int64
    public var bytesRead: Int64
    public var bytesWritten: Int64
    public var wallSeconds: Double
    public var cpuSeconds: Double
    public var peakMemoryBytes: Int64

    public init(
        rowsRead: Int64 = 0, rowsWritten: Int64 = 0, rowsQuarantined: Int64 = 0, bytesRead: Int64 = 0,
        bytesWritten: Int64 = 0, wallSeconds: Double = 0, cpuSeconds: Double = 0, peakMemoryBytes: Int64 = 0
    ) {
        self.rowsRead = rowsRead
        self.rowsWritten = rowsWritten
        self.rowsQuarantined = rowsQuarantined
        self.bytesRead = bytesRead
        self.bytesWritten = bytesWritten
        self.wallSeconds = wallSeconds
        self.cpuSeconds = cpuSeconds
        self.peakMemoryBytes = peakMemoryBytes
    }
}

public struct ColumnSchema: Hashable, Sendable, Codable {
    public var name: String
    /// The engine's own name of the type, e.g. `DECIMAL(18,2)`.
    public var type: String
    /// From the manifest, e.g. `sensitive`.
    public var tags: [String]

    public init(name: String, type: String, tags: [String] = []) {
        self.name = name
        self.type = type
        self.tags = tags
    }
}

/// Statistics of one column of a snapshot. None of them is a value of a text column, and a column
/// tagged `sensitive` has no extremes at all.
public struct ColumnStatistics: Hashable, Sendable, Codable {
    public var column: String
    public var count: Int64
    public var nulls: Int64
    /// Approximate (HyperLogLog).
    public var distinct: Int64?
    /// Numbers and dates only: a number, or an ISO date or time as text.
    public var minimum: JSONValue?
    public var maximum: JSONValue?
    /// Text only, in characters.
    public var minimumLength: Int64?
    public var maximumLength: Int64?
    public var averageLength: Double?

    public init(
        column: String, count: Int64, nulls: Int64, distinct: Int64? = nil, minimum: JSONValue? = nil,
        maximum: JSONValue? = nil, minimumLength: Int64? = nil, maximumLength: Int64? = nil,
        averageLength: Double? = nil
    ) {
        self.column = column
        self.count = count
        self.nulls = nulls
        self.distinct = distinct
        self.minimum = minimum
        self.maximum = maximum
        self.minimumLength = minimumLength
        self.maximumLength = maximumLength
        self.averageLength = averageLength
    }
}

public struct CheckResult: Hashable, Sendable, Codable {
    /// Unique within the task, e.g. `not_null(flight_id)`.
    public var name: String
    /// The manifest's word: `not_null`, `unique`, `accepted_values`, `range`, `row_count`,
    /// `relationships`, `freshness`, `sql`.
    public var kind: String
    public var column: String?
    public var severity: Severity
    public var passed: Bool
    /// Rows that break the check; `nil` where the check does not count rows.
    public var failingRows: Int64?
    /// What was measured against what was allowed, without values of the data.
    public var message: String

    public init(
        name: String, kind: String, column: String? = nil, severity: Severity, passed: Bool, failingRows: Int64? = nil,
        message: String
    ) {
        self.name = name
        self.kind = kind
        self.column = column
        self.severity = severity
        self.passed = passed
        self.failingRows = failingRows
        self.message = message
    }
}

/// What a successful attempt wrote.
public struct TaskOutput: Hashable, Sendable, Codable {
    public var asset: AssetName
    public var snapshot: ID<Snapshot>
    /// Relative to the asset's folder.
    public var location: String
    /// Rows of the whole snapshot, not only of this attempt.
    public var rows: Int64
    public var bytes: Int64
    public var schema: [ColumnSchema]
    public var statistics: [ColumnStatistics]

    public init(
        asset: AssetName, snapshot: ID<Snapshot>, location: String, rows: Int64, bytes: Int64, schema: [ColumnSchema],
        statistics: [ColumnStatistics]
    ) {
        self.asset = asset
        self.snapshot = snapshot
        self.location = location
        self.rows = rows
        self.bytes = bytes
        self.schema = schema
        self.statistics = statistics
    }
}

/// Why an attempt failed. The message carries no values of the data; the agent keeps the whole text.
public struct TaskError: Hashable, Sendable, Codable, Error {
    /// The code of an attempt that outlived its timeout although its agent should have ended it.
    public static let deadlineExceeded = "deadline_exceeded"

    /// e.g. `sql_error`, `check_failed`, `source_missing`, `timed_out`, `out_of_memory`, `exit_code`, `disk_full`.
    public var code: String
    public var message: String
    public var hint: String?
    /// Whether another attempt may help.
    public var retryable: Bool

    public init(code: String, message: String, hint: String? = nil, retryable: Bool = false) {
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable
    }
}

/// The step that a running attempt is in. `percent` (0…100) where the engine tells it, else step k of n.
public struct TaskProgress: Hashable, Sendable, Codable {
    public var step: Int
    public var steps: Int
    public var label: String
    public var percent: Double?

    public init(step: Int, steps: Int, label: String, percent: Double? = nil) {
        self.step = step
        self.steps = steps
        self.label = label
        self.percent = percent
    }
}

public struct LogLine: Hashable, Sendable, Codable {
    public var at: Date
    public var stream: LogStream
    /// Without its newline; at most 16 KiB, longer lines are cut and say so.
    public var text: String

    public init(at: Date, stream: LogStream, text: String) {
        self.at = at
        self.stream = stream
        self.text = text
    }
}

public enum LogStream: String, WireEnum {
    /// `system` is FlowForge's own word about the task.
    case stdout, stderr, system
    case unknown
}
