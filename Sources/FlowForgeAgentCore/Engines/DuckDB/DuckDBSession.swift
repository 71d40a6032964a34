import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Subprocess
import SystemPackage

/// A DuckDB process of one task. Statements go in over its standard input one at a time, rows come
/// back as JSON lines; a marker row after each statement says that it is done. The first failing
/// statement ends the process and is thrown as ``DuckDBFailure``.
actor DuckDBSession {
    private let writer: StandardInputWriter
    private var output: JSONLines
    private let errorFile: URL
    private let nonce = UInt64.random(in: 0...UInt64.max)
    private var statements = 0
    private var hasEnded = false

    private init(writer: StandardInputWriter, output: SubprocessOutputSequence, errorFile: URL) {
        self.writer = writer
        self.output = JSONLines(output)
        self.errorFile = errorFile
    }

    /// Runs `body` on a fresh process, configured by `settings`, and ends the process. When the
    /// calling Swift task is cancelled the process gets SIGINT, by which DuckDB removes half-written
    /// files, and `CancellationError` is thrown once the whole tree is gone.
    static func open<Result: Sendable>(
        host: EngineHost, settings: DuckDBSettings, workspace: URL, name: String,
        started: @Sendable (Int32) async throws -> Void,
        body: @Sendable (DuckDBSession) async throws -> Result
    ) async throws -> Result {
        let errorFile = workspace.appending(path: ".\(name).stderr")
        var command = LaunchedCommand(
            host: host, executable: host.duckdb.path(percentEncoded: false),
            arguments: ["-jsonlines", "-batch", "-bail", "-no-init"],
            environment: ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": workspace.path(percentEncoded: false)],
            folder: workspace, usageFile: try ProcessUsage.file(named: name, in: workspace))
        command.endsWith = .interrupt
        // A backstop far above DuckDB's own limit, which does not count everything it maps.
        command.addressSpace = settings.memoryBytes * 2 + (8 << 30)
        let errors = try FileDescriptor.open(
            FilePath(errorFile.path(percentEncoded: false)), .writeOnly, options: [.create, .truncate, .closeOnExec],
            permissions: [.ownerRead, .ownerWrite])
        do {
            let ended = try await Subprocess.run(
                command.configuration(), input: .inputWriter, output: .sequence,
                error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
            ) { execution in
                try await started(execution.processIdentifier.value)
                let session = DuckDBSession(
                    writer: execution.standardInputWriter, output: execution.standardOutput, errorFile: errorFile)
                try await session.execute(settings.statements)
                let result = try await body(session)
                try await session.end()
                return result
            }
            try Task.checkCancellation()
            return ended.closureResult
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw DuckDBFailure(type: "Process", message: "cannot run \(host.duckdb.path(percentEncoded: false)): \(error)")
        }
    }

    /// Nothing more will be asked: the process ends by itself while the caller goes on. It takes
    /// some 40 ms to give up the memory of a large task.
    func end() async throws {
        guard !hasEnded else { return }
        hasEnded = true
        try await writer.finish()
    }

    /// Runs one statement that returns nothing of interest.
    func execute(_ sql: String) async throws {
        _ = try await lines(of: sql)
    }

    /// Runs statements that return nothing of interest, in one round trip.
    func execute(_ statements: [String]) async throws {
        guard !statements.isEmpty else { return }
        try await execute(statements.joined(separator: "\n;\n"))
    }

    /// Runs one query and decodes its rows; keys are the column names.
    func rows<Row: Decodable & Sendable>(_ type: Row.Type, _ sql: String) async throws -> [Row] {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .throw
        return try await lines(of: sql).map { try decoder.decode(Row.self, from: $0) }
    }

    /// Runs a query that returns exactly one row.
    func row<Row: Decodable & Sendable>(_ type: Row.Type, _ sql: String) async throws -> Row {
        guard let row = try await rows(type, sql).first else {
            throw DuckDBFailure(type: "Process", message: "a query that always returns a row returned none")
        }
        return row
    }

    /// The raw rows, each a JSON object.
    func lines(of sql: String) async throws -> [Data] {
        try Task.checkCancellation()
        statements += 1
        let marker = "{\"ff_\(nonce)\":\(statements)}"
        do {
            _ = try await writer.write("\(sql)\n;\nSELECT \(statements) AS ff_\(nonce);\n")
        } catch {
            try Task.checkCancellation()  // else the process is gone: the read below finds out why
        }
        var rows: [Data] = []
        while true {
            var reading = output
            let line = try await reading.next(isolation: self)
            output = reading
            guard let line else { break }
            if line == Data(marker.utf8) { return rows }
            if !line.isEmpty { rows.append(line) }
        }
        try Task.checkCancellation()
        throw DuckDBFailure(standardError: try standardError(), exitStatus: "statement \(statements) unfinished")
    }

    /// The end of what the process wrote on standard error; at most 256 KiB.
    private func standardError() throws -> String {
        let file = try FileHandle(forReadingFrom: errorFile)
        defer { try? file.close() }
        let size = try file.seekToEnd()
        try file.seek(toOffset: size > 262_144 ? size - 262_144 : 0)
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    }
}

/// Splits a byte stream at newlines. (Subprocess's own line sequence also splits at U+2028, which
/// JSON may hold unescaped.)
private struct JSONLines {
    private var chunks: SubprocessOutputSequence.Iterator
    private var buffer = Data()
    private var scanned = 0
    private var ended = false
    /// A row longer than this is refused: rows that reach us are ours, and small.
    private static let longest = 256 << 20

    init(_ output: SubprocessOutputSequence) { chunks = output.makeAsyncIterator() }

    mutating func next(isolation: isolated (any Actor)) async throws -> Data? {
        while true {
            if let newline = buffer[(buffer.startIndex + scanned)...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(buffer[buffer.startIndex..<newline])
                buffer.removeSubrange(buffer.startIndex...newline)
                scanned = 0
                return line
            }
            scanned = buffer.count
            if ended || scanned > Self.longest { return nil }
            guard let chunk = try await chunks.next(isolation: isolation) else {
                ended = true
                continue
            }
            chunk.withUnsafeBytes { buffer.append(contentsOf: $0) }
        }
    }
}
