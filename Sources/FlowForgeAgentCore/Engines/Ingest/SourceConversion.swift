import FlowForgeBundle
import FlowForgeProtocol

/// From the raw columns of a ``SourceReader`` batch to rows of bronze and rows of the quarantine.
struct SourceConversion: Sendable {
    let columns: [SourceColumn]

    /// An empty relation with the columns of the output.
    var template: String {
        let declared = columns.map { "CAST(NULL AS \(Self.stored($0.type))) AS \(SQLText.identifier($0.name))" }
        return
            "SELECT \(declared.joined(separator: ", ")), \(Self.auditColumns(row: "CAST(NULL AS BIGINT)", file: "''")) WHERE false"
    }

    /// Rows that convert. Each other row takes a number from the sequence `bad`, which is how many
    /// rows the quarantine will get: one scan finds out both.
    func good(_ select: String, bad: String) -> String {
        let values = columns.enumerated().map { "t\($0) AS \(SQLText.identifier($1.name))" }.joined(separator: ", ")
        return """
            SELECT \(values), \(Self.auditColumns(row: "\"ff row\"", file: "\"ff file\"")) FROM (\(typed(select))) \
            WHERE CASE WHEN \(faulty) THEN nextval(\(SQLText.literal(bad))) < 0 ELSE true END
            """
    }

    /// Rows that do not, as the quarantine keeps them.
    func quarantined(_ select: String) -> String {
        var reasons = ["CASE WHEN \"ff broken\" THEN 'no JSON object' END"]
        for (index, column) in columns.enumerated() {
            reasons.append("CASE WHEN \(unconverted(index)) THEN \(SQLText.literal("\(column.name): not \(column.type)")) END")
            if column.required {
                reasons.append(
                    "CASE WHEN r\(index) IS NULL AND NOT \"ff broken\" THEN \(SQLText.literal("\(column.name): missing")) END")
            }
        }
        let fields = columns.enumerated().map { "\(SQLText.literal($1.name)): r\($0)" }.joined(separator: ", ")
        return """
            SELECT "ff file" AS _source_file, "ff row" AS _row_number, CAST(NULL AS BIGINT) AS _line, \
            concat_ws('; ', \(reasons.joined(separator: ", "))) AS _reason, \
            coalesce("ff raw", CAST(to_json({\(fields)}) AS VARCHAR)) AS _raw, getvariable('run_id') AS _run_id \
            FROM (\(typed(select))) WHERE \(faulty)
            """
    }

    private func typed(_ select: String) -> String {
        let casts = columns.enumerated().map { "TRY_CAST(r\($0) AS \(Self.stored($1.type))) AS t\($0)" }.joined(separator: ", ")
        return "SELECT *, \(casts) FROM (\(select))"
    }

    private var faulty: String {
        var conditions = ["\"ff broken\""]
        for (index, column) in columns.enumerated() {
            if column.required { conditions.append("t\(index) IS NULL") }
            if column.type.uppercased() != "VARCHAR" { conditions.append(unconverted(index)) }
        }
        return conditions.joined(separator: " OR ")
    }

    /// Whether a value is there and did not convert. DuckDB would round `1.5` and `15e-1` to an integer; we do not.
    private func unconverted(_ index: Int) -> String {
        let fails = "(t\(index) IS NULL AND r\(index) IS NOT NULL)"
        guard Self.integers.contains(columns[index].type.uppercased()) else { return fails }
        return
            "(\(fails) OR (regexp_matches(CAST(r\(index) AS VARCHAR), '[.eE]') AND t\(index) <> TRY_CAST(r\(index) AS DOUBLE)))"
    }

    private static let integers: Set = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"]

    /// Parquet has no 128-bit integer.
    private static func stored(_ type: String) -> String { type.uppercased() == "HUGEINT" ? "DECIMAL(38,0)" : type }

    private static func auditColumns(row: String, file: String) -> String {
        """
        getvariable('ff ingested at') AS _ingested_at, \(file) AS _source_file, \(row) AS _row_number, \
        getvariable('run_id') AS _run_id
        """
    }
}
