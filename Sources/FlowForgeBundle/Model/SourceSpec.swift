/// Raw files that an ingest reads. The whole file is read as text, then each declared column is
/// converted; a row whose structure or whose conversion fails goes to the quarantine.
public struct SourceSpec: Hashable, Sendable, Codable {
    public enum Format: String, Sendable, Codable, CaseIterable { case csv, json, parquet }

    public var format: Format
    /// A file or glob; `${variables.x}` and `${parameters.x}` are replaced. e.g. `${variables.raw_dir}/flights*.csv`.
    public var path: String
    /// CSV only.
    public var delimiter: String
    /// CSV only.
    public var quote: String
    /// Texts that mean null, besides the empty one.
    public var nulls: [String]
    /// Declared columns in the order of the output; columns of the file that are not declared are
    /// left out with a warning, declared ones that the file lacks fail the task.
    public var columns: [SourceColumn]

    public init(
        format: Format, path: String, delimiter: String = ",", quote: String = "\"", nulls: [String] = [],
        columns: [SourceColumn]
    ) {
        self.format = format
        self.path = path
        self.delimiter = delimiter
        self.quote = quote
        self.nulls = nulls
        self.columns = columns
    }
}

public struct SourceColumn: Hashable, Sendable, Codable {
    public var name: String
    /// One of ``SourceColumn/types``.
    public var type: String
    /// A null in this column sends the row to the quarantine.
    public var required: Bool

    public init(name: String, type: String, required: Bool = false) {
        self.name = name
        self.type = type
        self.required = required
    }

    /// DuckDB types that a source column may have; `DECIMAL(p,s)` besides.
    public static let types = [
        "VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "REAL", "DOUBLE", "DATE", "TIME",
        "TIMESTAMP", "TIMESTAMPTZ",
    ]
}
