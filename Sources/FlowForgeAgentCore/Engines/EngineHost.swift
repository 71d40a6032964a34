public import Foundation

/// What this machine offers to engines: where their programs are and how much one task may take.
public struct EngineHost: Hashable, Sendable {
    /// The pinned DuckDB command line program.
    public var duckdb: URL
    /// A folder laid out as DuckDB expects (`<version>/<platform>/<name>.duckdb_extension`); nothing
    /// is ever downloaded into it. `nil` where no extension is installed.
    public var extensions: URL?
    /// `flowforge-launch`, under which every process of a task runs.
    public var launcher: URL
    /// The most memory that one task may be given, whatever its manifest asks for.
    public var memoryBytes: Int64
    /// The most threads that one task may be given, whatever its manifest asks for.
    public var threads: Int
    /// Seconds between the polite signal and SIGKILL when a task is ended.
    public var graceSeconds: Double

    public init(
        duckdb: URL, extensions: URL? = nil, launcher: URL, memoryBytes: Int64 = 4 << 30, threads: Int = 4,
        graceSeconds: Double = 5
    ) {
        self.duckdb = duckdb
        self.extensions = extensions
        self.launcher = launcher
        self.memoryBytes = memoryBytes
        self.threads = threads
        self.graceSeconds = graceSeconds
    }
}
