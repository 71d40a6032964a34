public import FlowForgeProtocol

extension SourceSpec {
    /// Columns that every bronze table has besides the declared ones, as they are stored.
    public static let audit = [
        ColumnSchema(name: "_ingested_at", type: "TIMESTAMP WITH TIME ZONE"),
        ColumnSchema(name: "_source_file", type: "VARCHAR"), ColumnSchema(name: "_row_number", type: "BIGINT"),
        ColumnSchema(name: "_run_id", type: "VARCHAR"),
    ]

    /// The columns of the rows that an ingest writes, as they are stored.
    var stored: [ColumnSchema] { columns.map { ColumnSchema(name: $0.name, type: TypeName.standard($0.type)) } + Self.audit }

    /// Each declared column comes from the one of its name in the file.
    public var lineage: ColumnLineage {
        ColumnLineage(
            columns: columns.map { column in
                let isText = column.type.uppercased() == "VARCHAR"
                return ColumnLineage.Column(
                    name: column.name,
                    influences: [
                        .init(origin: .source(pattern: path), column: column.name, kind: isText ? .identity : .transformation)
                    ])
            } + Self.audit.map { ColumnLineage.Column(name: $0.name, influences: []) })
    }
}

extension LoadSpec {
    /// Columns that `scd2` adds, as they are stored.
    public static let history = [
        ColumnSchema(name: "_valid_from", type: "TIMESTAMP WITH TIME ZONE"),
        ColumnSchema(name: "_valid_to", type: "TIMESTAMP WITH TIME ZONE"),
        ColumnSchema(name: "_is_current", type: "BOOLEAN"),
    ]
}

/// The name that DuckDB itself gives to a type that people write in several ways.
enum TypeName {
    /// As it is stored, too: Parquet has no 128-bit integer.
    static func standard(_ type: String) -> String {
        let text = type.split(whereSeparator: \.isWhitespace).joined(separator: " ").uppercased()
        if let other = aliases[text] { return other }
        if text.hasPrefix("VARCHAR(") || text.hasPrefix("CHAR(") { return "VARCHAR" }
        for word in ["DECIMAL", "NUMERIC", "DEC"] where text.hasPrefix(word) {
            let rest = text.dropFirst(word.count).filter { $0 != " " }
            if rest.isEmpty { return "DECIMAL(18,3)" }
            guard rest.first == "(", rest.last == ")" else { continue }
            return rest.contains(",") ? "DECIMAL\(rest)" : "DECIMAL\(rest.dropLast()),0)"
        }
        // Names of fields in a struct keep their case.
        return text.contains("(") || text.contains("\"") || text.contains("[") ? type : text
    }

    private static let aliases = [
        "HUGEINT": "DECIMAL(38,0)", "REAL": "FLOAT", "FLOAT4": "FLOAT", "FLOAT8": "DOUBLE", "INT": "INTEGER", "INT4": "INTEGER",
        "SIGNED": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT", "INT2": "SMALLINT", "SHORT": "SMALLINT", "INT1": "TINYINT",
        "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BPCHAR": "VARCHAR",
        "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
        "BYTEA": "BLOB", "BINARY": "BLOB", "VARBINARY": "BLOB",
    ]
}
