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

    /// The sequence that counts the faulty rows of the next batch.
    func newCounter() async throws -> String {
        let number = counted.withLock { counts in
            counts.batches += 1
            return counts.batches
        }
        try await session.execute("CREATE SEQUENCE \"ff bad \(number)\"")
        return "\"ff bad \(number)\""
    }

    /// Files what a batch left behind: rows that did not convert (counted by `counter`, read again
    /// only if there are any) and rows that could not be split into fields.
    func collect(_ batch: SourceReader.Batch, counter: String, conversion: SourceConversion) async throws {
        let faulty = try await session.row(Counted.self, "SELECT nextval(\(SQLText.literal(counter))) - 1 AS n").n
        if faulty > 0 { try await write(conversion.quarantined(SourceReader.again(batch.select)), kind: "values") }
        try await collectRejects(batch)
    }

    private func collectRejects(_ batch: SourceReader.Batch) async throws {
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
            """, kind: "rows")
        try await session.execute("DELETE FROM reject_errors")
        try await session.execute("DELETE FROM reject_scans")
    }

    private struct Written: Decodable, Sendable { var count: String }

    private func write(_ select: String, kind: String) async throws {
        let batch = counted.withLock { $0.batches }
        let path = SQLText.literal("\(folder)/\(kind)_\(batch).parquet")
        let written = try await session.rows(Written.self, "COPY (\(select)) TO \(path) (FORMAT parquet, RETURN_STATS)")
        let rows = written.reduce(0) { $0 + (Int64($1.count) ?? 0) }
        counted.withLock { $0.rows += rows }
    }
}
