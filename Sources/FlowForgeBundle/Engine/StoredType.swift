/// What becomes of a type of DuckDB's in the files of a snapshot.
public enum StoredType {
    /// The type as it comes back from Parquet, which would hold a HUGEINT (every `sum` of integers) as
    /// a DOUBLE and lose digits. Also within lists, structs and maps.
    public static func of(_ type: String) -> String {
        guard type != "\"NULL\"" else { return "INTEGER" }
        // A word before a space is the name of a struct's field.
        let other =
            #/"(?:[^"]|"")*"|ENUM\((?:'(?:[^']|'')*'(?:, )?)*\)|\[\d+\]|\b(?:U?HUGEINT|TIMESTAMP_M?S|BIT|BIGNUM|TIME_NS)\b(?! )/#
        return type.replacing(other) { match in
            switch match.output {
            case "HUGEINT", "UHUGEINT": "DECIMAL(38,0)"
            case "TIMESTAMP_S", "TIMESTAMP_MS": "TIMESTAMP"
            case "BIT", "BIGNUM", "TIME_NS": "VARCHAR"
            case let text where text.hasPrefix("ENUM("): "VARCHAR"
            case let text where text.hasPrefix("["): "[]"
            default: String(match.output)
            }
        }
    }

    /// The types that come back from Parquet as they went there; others are tried.
    static func isKept(_ type: String) -> Bool {
        kept.contains(type) || (type.hasPrefix("DECIMAL(") && type.dropFirst(8).allSatisfy { $0.isNumber || ",)".contains($0) })
    }

    private static let kept: Set<String> = [
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE",
        "VARCHAR", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
    ]
}
