internal import FlowForgeProtocol

/// What a data contract (Open Data Contract Standard, version 3) says of the bundle's tables.
struct DataContract: Hashable, Sendable {
    var file: String
    var tables: [ContractTable]
}

struct ContractTable: Hashable, Sendable {
    var asset: AssetName
    var file: String
    var position: SourcePosition
    /// In the order of the contract.
    var columns: [ContractColumn]
}

struct ContractColumn: Hashable, Sendable {
    var name: String
    var position: SourcePosition
    /// DuckDB's name of the `physicalType`; `nil` where the contract gives none.
    var type: String?
    var logicalType: LogicalType?
    /// Never null: `required`, or part of the primary key.
    var isRequired: Bool
    var classification: String?

    /// The types of the standard, and those of DuckDB that are of such a type.
    enum LogicalType: String, Sendable, CaseIterable {
        case string, date, timestamp, time, number, integer, object, array, boolean

        /// The one that stands for it where no other is given; `nil` where that would be a guess.
        var usual: String? {
            switch self {
            case .string: "VARCHAR"
            case .date: "DATE"
            case .timestamp: "TIMESTAMP WITH TIME ZONE"
            case .time: "TIME"
            case .number: "DOUBLE"
            case .integer: "BIGINT"
            case .boolean: "BOOLEAN"
            case .object, .array: nil
            }
        }

        func covers(_ type: String) -> Bool {
            let isInteger =
                type.hasSuffix("INTEGER") || type.hasSuffix("INT") || (type.hasPrefix("DECIMAL(") && type.hasSuffix(",0)"))
            let isNested = type.hasSuffix("]") || type.hasPrefix("STRUCT(") || type.hasPrefix("MAP(") || type == "JSON"
            return switch self {
            case .integer: isInteger
            case .number: isInteger || type.hasPrefix("DECIMAL(") || type == "DOUBLE" || type == "FLOAT"
            case .boolean: type == "BOOLEAN"
            // Before 3.1 the standard had no other word for a time with a date.
            case .date: type == "DATE" || type.hasPrefix("TIMESTAMP")
            case .timestamp: type.hasPrefix("TIMESTAMP")
            case .time: type == "TIME" || type.hasPrefix("TIME ")
            case .array: type.hasSuffix("]")
            case .object: isNested && !type.hasSuffix("]")
            case .string: !isNested && (["VARCHAR", "UUID", "BLOB"].contains(type) || type.hasPrefix("ENUM("))
            }
        }
    }
}
