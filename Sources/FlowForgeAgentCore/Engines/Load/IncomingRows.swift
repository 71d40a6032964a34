import FlowForgeBundle
import FlowForgeProtocol

/// The rows that a task produced, before they become part of a snapshot.
struct IncomingRows: Sendable {
    /// SELECTs with equal columns, run one after the other.
    var batches: [Batch]
    /// Columns and types as Parquet will hold them.
    var schema: [ColumnSchema]

    struct Batch: Sendable {
        var select: String
        /// Runs after the batch was read.
        var afterwards: (@Sendable () async throws -> Void)?
    }

    private struct Described: Decodable, Sendable {
        var column_name: String
        var column_type: String
    }

    /// Describes a SELECT.
    static func describe(_ select: String, in session: DuckDBSession) async throws -> [ColumnSchema] {
        try await session.rows(Described.self, "DESCRIBE \(select)").map {
            ColumnSchema(name: $0.column_name, type: $0.column_type)
        }
    }

    /// One SELECT, converted where Parquet has no such type.
    static func single(_ select: String, in session: DuckDBSession) async throws -> IncomingRows {
        let schema = try await describe(select, in: session)
        let stored = schema.map { ColumnSchema(name: $0.name, type: StoredType.of($0.type)) }
        guard stored != schema else { return IncomingRows(batches: [Batch(select: select)], schema: schema) }
        let casts = zip(schema, stored).map { from, to in
            let name = SQLText.identifier(from.name)
            return from.type == to.type ? name : "CAST(\(name) AS \(to.type)) AS \(name)"
        }
        return IncomingRows(
            batches: [Batch(select: "SELECT \(casts.joined(separator: ", ")) FROM (\(select))")], schema: stored)
    }
}
