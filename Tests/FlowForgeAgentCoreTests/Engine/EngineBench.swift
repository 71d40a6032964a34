import FlowForgeAgentCore
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Logging
import Synchronization
import Testing

/// A lake, a bundle folder and the engines, for one test. The folder is removed at the end.
final class EngineBench: Sendable {
    let folder: URL
    let lake: LakeFolder
    let bundle: URL
    let raw: URL
    /// By environment.
    private let published = Mutex<[String: [AssetName: SnapshotReference]]>([:])

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "engine-\(UUID().uuidString)")
        lake = LakeFolder(root: folder.appending(path: "lake"))
        bundle = folder.appending(path: "bundle")
        raw = folder.appending(path: "raw")
        for url in [lake.root, bundle, raw] {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func tool(_ path: String, environment: String? = nil) throws -> URL {
        let found =
            environment.flatMap { ProcessInfo.processInfo.environment[$0] }.map { URL(filePath: $0) }
            ?? root.appending(path: path)
        try #require(
            FileManager.default.isExecutableFile(atPath: found.path(percentEncoded: false)),
            "\(found.path(percentEncoded: false)) is missing: run `make tools`")
        return found
    }

    static func host() throws -> EngineHost {
        EngineHost(
            duckdb: try tool(".tools/bin/duckdb", environment: "FLOWFORGE_DUCKDB"), launcher: try launcher(), graceSeconds: 1)
    }

    /// Beside the test program, where SwiftPM puts it.
    static func launcher() throws -> URL {
        let program = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        for folder in [program.deletingLastPathComponent(), root.appending(path: ".build/debug")] {
            let candidate = folder.appending(path: "flowforge-launch")
            if FileManager.default.isExecutableFile(atPath: candidate.path(percentEncoded: false)) { return candidate }
        }
        throw TaskError(code: "test", message: "flowforge-launch is not built: run `swift build --build-tests`")
    }

    static func runner() throws -> TaskRunner {
        let host = try host()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return TaskRunner(
            engines: [DuckDBEngine(host: host, logger: logger), CommandEngine(host: host, logger: logger)], logger: logger)
    }

    @discardableResult
    func write(_ text: String, to name: String, in folder: URL? = nil) throws -> URL {
        try write(Data(text.utf8), to: name, in: folder)
    }

    @discardableResult
    func write(_ bytes: Data, to name: String, in folder: URL? = nil) throws -> URL {
        let url = (folder ?? bundle).appending(path: name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try bytes.write(to: url)
        return url
    }

    func current(_ asset: String, in environment: String = "dev") throws -> SnapshotReference {
        try #require(published.withLock { $0[environment]?[AssetName(asset)!] })
    }

    /// Makes a snapshot that is there already the asset's current one, as the control plane would have it.
    @discardableResult
    func point(_ asset: String, in environment: String, at snapshot: SnapshotReference) throws -> SnapshotReference {
        let name = AssetName(asset)!
        var moved = snapshot
        published.withLock { all in
            moved.version = (all[environment]?[name]?.version ?? 0) + 1
            all[environment, default: [:]][name] = moved
        }
        try LakePublisher.publish(.init(environment: environment, asset: name, snapshot: moved), lake: lake)
        return moved
    }

    func work(
        _ task: TaskSpec, parameters: [String: JSONValue] = [:], specs: [ParameterSpec] = [], attempt: ID<Attempt> = .make(),
        runTime: Date = Date(timeIntervalSince1970: 1_700_000_000), environment: String = "dev"
    ) throws -> TaskWork {
        let workspace = folder.appending(path: "work-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
        let inputs = published.withLock { $0[environment] ?? [:] }
        let assignment = AgentAPI.Assignment(
            attempt: attempt, number: 1, lease: .make(), fencing: 1, leaseSeconds: 15, run: .make(), environment: environment,
            bundle: BundleReference(name: "test", version: "1.0.0", digest: "sha256:0"), flow: "main", task: task.name,
            parameters: parameters, variables: ["raw_dir": .string(raw.path(percentEncoded: false))],
            inputs: inputs.filter { task.inputs.contains($0.key) }, base: task.output.flatMap { inputs[$0] }, runTime: runTime)
        return TaskWork(
            assignment: assignment, task: task,
            manifest: Manifest(name: "test", version: "1.0.0", parameters: specs, flows: [FlowSpec(name: "main", tasks: [task])]),
            bundleFolder: bundle, workspace: workspace, lake: lake)
    }

    struct Run {
        var finished: AgentAPI.Finished
        var report: Recorder
        var work: TaskWork
    }

    /// Runs the task and, where it succeeded, publishes its output as the control plane would have it.
    @discardableResult
    func run(
        _ task: TaskSpec, parameters: [String: JSONValue] = [:], specs: [ParameterSpec] = [],
        runTime: Date = Date(timeIntervalSince1970: 1_700_000_000), environment: String = "dev"
    ) async throws -> Run {
        let work = try work(task, parameters: parameters, specs: specs, runTime: runTime, environment: environment)
        let report = Recorder()
        let finished = await (try Self.runner()).run(work, reporting: report)
        if let output = finished.output {
            let reference = SnapshotReference(id: output.snapshot, version: 0, location: output.location)
            try point(output.asset.description, in: environment, at: reference)
        }
        return Run(finished: finished, report: report, work: work)
    }

    /// What a BI user sees: rows of the published files, as JSON lines.
    func read(
        _ asset: String, _ query: String = "SELECT * FROM t", in environment: String = "dev"
    ) async throws -> [String] {
        let parts = asset.split(separator: ".")
        let glob = "\(lake.root.path(percentEncoded: false))/\(environment)/\(parts[0])/\(parts[1])/current/**/*.parquet"
        return try await Self.duckdb(
            "CREATE VIEW t AS SELECT * FROM read_parquet('\(glob)', hive_partitioning = false, union_by_name = true); \(query);")
    }

    func quarantine(_ asset: String, _ query: String) async throws -> [String] {
        let parts = asset.split(separator: ".")
        let glob = "\(lake.root.path(percentEncoded: false))/dev/\(parts[0])/\(parts[1])/quarantine/*/*.parquet"
        return try await Self.duckdb("CREATE VIEW t AS SELECT * FROM read_parquet('\(glob)', union_by_name = true); \(query);")
    }

    /// What a program that must succeed prints.
    static func output(of program: URL, _ arguments: [String], input: FileHandle? = nil) async throws -> Data {
        let (bytes, status) = try await onThread {
            let process = Process()
            process.executableURL = program
            process.arguments = arguments
            if let input { process.standardInput = input }
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return (bytes, process.terminationStatus)
        }
        try #require(status == 0)
        return bytes
    }

    static func duckdb(_ sql: String) async throws -> [String] {
        let bytes = try await output(
            of: tool(".tools/bin/duckdb", environment: "FLOWFORGE_DUCKDB"),
            ["-no-init", "-jsonlines", "-c", "SET TimeZone='UTC'; " + sql])
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// A SELECT task whose SQL is written to the bundle.
    func select(
        _ sql: String, into output: String, inputs: [String] = [], load: LoadSpec = LoadSpec(), columns: [ColumnSpec] = [],
        checks: [CheckSpec] = [], resources: ResourceSpec = ResourceSpec()
    ) throws -> TaskSpec {
        let asset = try #require(AssetName(output))
        let file = "sql/\(asset.table).sql"
        try write(sql, to: file)
        return TaskSpec(
            name: asset.table, layer: asset.layer, sql: file, inputs: inputs.compactMap(AssetName.init), output: asset,
            load: load,
            columns: columns, checks: checks, resources: resources)
    }

    func ingest(
        _ path: String, into output: String, columns: [SourceColumn], format: SourceSpec.Format = .csv, delimiter: String = ",",
        nulls: [String] = [], load: LoadSpec = LoadSpec(mode: .append), checks: [CheckSpec] = []
    ) throws -> TaskSpec {
        let asset = try #require(AssetName(output))
        return TaskSpec(
            name: asset.table, layer: asset.layer,
            source: SourceSpec(
                format: format, path: "${variables.raw_dir}/\(path)", delimiter: delimiter, nulls: nulls, columns: columns),
            output: asset, load: load, checks: checks)
    }
}

/// Keeps every report in memory.
final class Recorder: TaskReporting, Sendable {
    struct Kept: Sendable {
        var pids: [Int32] = []
        var lines: [(stream: LogStream, text: String)] = []
        var progress: [TaskProgress] = []
        var events: [OpenLineage.RunEvent] = []
    }

    private let kept = Mutex(Kept())
    let onStart: (@Sendable () -> Void)?

    init(onStart: (@Sendable () -> Void)? = nil) { self.onStart = onStart }

    var all: Kept { kept.withLock { $0 } }
    var log: String { all.lines.map(\.text).joined(separator: "\n") }

    func started(pid: Int32) async throws {
        kept.withLock { $0.pids.append(pid) }
        onStart?()
    }
    func log(_ stream: LogStream, _ text: String) async throws { kept.withLock { $0.lines.append((stream, text)) } }
    func progress(_ progress: TaskProgress) async throws { kept.withLock { $0.progress.append(progress) } }
    func lineage(_ event: OpenLineage.RunEvent) async throws { kept.withLock { $0.events.append(event) } }
}
