public import FlowForgeProtocol
internal import GRDB

extension Session {
    public var logs: LogQueries { LogQueries(session: self) }
}

/// A place in a run's log: behind line `line` of chunk `chunk`. Its text is opaque to others.
public struct LogCursor: Hashable, Sendable, LosslessStringConvertible {
    var chunk: Int64
    var line: Int

    public static let start = LogCursor(chunk: 0, line: 0)

    init(chunk: Int64, line: Int) {
        self.chunk = chunk
        self.line = line
    }

    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let chunk = Int64(parts[0]), let line = Int(parts[1]), chunk >= 0, line >= 0 else {
            return nil
        }
        self.init(chunk: chunk, line: line)
    }

    public var description: String { "\(chunk).\(line)" }
}

public struct LogQueries {
    let session: Session

    /// Stores lines of an attempt behind those that are there. `gap` are lines that were lost before
    /// them; they count for the offset of the next chunk.
    public func append(_ lines: [LogLine], gap: Int64, to attempt: AttemptRow) throws {
        if !lines.isEmpty {
            try session.change(
                "INSERT INTO log_chunk (run, task, attempt, count, lines) VALUES (?, ?, ?, ?, ?)",
                [attempt.run.description, attempt.task, attempt.number, lines.count, try jsonText(lines)])
        }
        try session.change(
            "UPDATE attempt SET log_lines = log_lines + ? WHERE id = ?",
            [Int64(lines.count) + gap, attempt.id.description])
    }

    /// Up to `limit` lines of the run (of one task) behind `cursor`, in the order in which they were
    /// stored; and the cursor behind the last of them.
    public func page(
        run: ID<Run>, task: Int64?, after cursor: LogCursor, limit: Int
    ) throws -> (lines: [OperatorAPI.RunLogLine], next: LogCursor) {
        var lines: [OperatorAPI.RunLogLine] = []
        var next = cursor
        let cursorRows = try Row.fetchCursor(
            session.db.cachedStatement(sql: task == nil ? Self.ofRunSQL : Self.ofTaskSQL),
            arguments: task.map { [$0, cursor.chunk] } ?? [run.description, cursor.chunk])
        while lines.count < limit, let row = try cursorRows.next() {
            let chunk: Int64 = row["number"]
            let skip = chunk == cursor.chunk ? cursor.line : 0
            let fitting = try row.json([LogLine].self, "lines").dropFirst(skip).prefix(limit - lines.count)
            if fitting.isEmpty { continue }
            let (name, attempt): (String, Int) = (row["name"], row["attempt"])
            lines += fitting.map { OperatorAPI.RunLogLine(task: name, attempt: attempt, line: $0) }
            next = LogCursor(chunk: chunk, line: skip + fitting.count)
        }
        return (lines, next)
    }

    static let ofRunSQL = """
        SELECT log_chunk.number, log_chunk.attempt, log_chunk.lines, task.name
        FROM log_chunk JOIN task ON task.id = log_chunk.task
        WHERE log_chunk.run = ? AND log_chunk.number >= ? ORDER BY log_chunk.number
        """
    static let ofTaskSQL = """
        SELECT log_chunk.number, log_chunk.attempt, log_chunk.lines, task.name
        FROM log_chunk JOIN task ON task.id = log_chunk.task
        WHERE log_chunk.task = ? AND log_chunk.number >= ? ORDER BY log_chunk.number
        """
}
