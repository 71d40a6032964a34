import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Synchronization

/// Rows that arrived and could not be taken, with the reason, as Parquet beside the asset:
/// `_source_file`, `_row_number` or `_line`, `_reason`, `_raw`, `_run_id`.
final class Quarantine: Sendable {
    private let session: DuckDBSession
    private let folder: String
    private let counted = Mutex<(rows: Int64, batches: Int)>((0, 0))

    init(session: DuckDBSession, folder: URL) {
        self.session = session
        self.folder = folder.path(percentEncoded: false)
    }

    var rows: Int64 { counted.withLock { $0.rows } }

    private struct Counted: Decodable, Sendable { var n: Int64 }

    /// Sequences that count the faulty rows of the files of the next batch.
    func newCounters(_ files: Int) async throws -> Counters {
        let batch = counted.withLock { counts in
            counts.batches += 1
            return counts.batches
        }
        let names = (0..<files).map { "\"ff bad \(batch) \($0)\"" }
        try await session.execute(names.map { "CREATE SEQUENCE \($0)" })
        return Counters(batch: batch, names: names)
    }

    struct Counters: Sendable {
        var batch: Int
        /// One for each file.
        var names: [String]
    }

    /// Files what a batch left behind: rows that did not convert (only files whose counter moved are
    /// read again) and rows that could not be split into fields.
    func collect(_ batch: SourceReader.Batch, counters: Counters, conversion: SourceConversion) async throws {
        let number = counters.batch
        let counts = counters.names.map { "nextval(\(SQLText.literal($0))) - 1" }.joined(separator: ", ")
        let moved = try await session.row(Moved.self, "SELECT [\(counts)] AS n").n
        for (index, rows) in moved.enumerated() where rows > 0 {
            try await write(
                conversion.quarantined(SourceReader.again(batch.selects[index])), to: "values_\(number)_\(index)")
        }
        try await collectRejects(batch, number: number)
    }

    private struct Moved: Decodable, Sendable { var n: [Int64] }

    private func collectRejects(_ batch: SourceReader.Batch, number: Int) async throws {
        let there = try await session.row(
            Counted.self, "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'reject_errors'")
        guard there.n > 0, try await session.row(Counted.self, "SELECT count(*) AS n FROM reject_errors").n > 0 else { return }
        let paths = SQLText.list(batch.files.map(\.path))
        let names = SQLText.list(batch.files.map(\.name))
        let column = batch.header.isEmpty ? "NULL" : "\(SQLText.list(batch.header))[CAST(column_idx AS BIGINT)]"
        try await write(
            """
            SELECT \(names)[list_position(\(paths), any_value(file_path))] AS _source_file, CAST(NULL AS BIGINT) AS _row_number, \
            CAST(any_value(line) AS BIGINT) AS _line, string_agg(DISTINCT CASE CAST(error_type AS VARCHAR) \
            WHEN 'MISSING COLUMNS' THEN 'too few fields' WHEN 'TOO MANY COLUMNS' THEN 'too many fields' \
            WHEN 'LINE SIZE OVER MAXIMUM' THEN 'line too long' \
            WHEN 'UNQUOTED VALUE' THEN concat('unbalanced quote', ' in ' || \(column)) \
            WHEN 'INVALID ENCODING' THEN concat('not UTF-8', ' in ' || \(column)) \
            ELSE lower(CAST(error_type AS VARCHAR)) END, '; ') AS _reason, any_value(csv_line) AS _raw, \
            getvariable('run_id') AS _run_id FROM reject_errors JOIN reject_scans USING (scan_id, file_id) \
            GROUP BY scan_id, file_id, line_byte_position
            """, to: "rows_\(number)")
        try await session.execute(["DELETE FROM reject_errors", "DELETE FROM reject_scans"])
    }

    private struct Written: Decodable, Sendable { var count: String }

    private func write(_ select: String, to name: String) async throws {
        let path = SQLText.literal("\(folder)/\(name).parquet")
        let written = try await session.rows(Written.self, "COPY (\(select)) TO \(path) (FORMAT parquet, RETURN_STATS)")
        let rows = written.reduce(0) { $0 + (Int64($1.count) ?? 0) }
        counted.withLock { $0.rows += rows }
    }
}
