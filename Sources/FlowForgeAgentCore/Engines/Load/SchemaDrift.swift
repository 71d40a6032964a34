import FlowForgeProtocol

/// What may change between the columns of a snapshot and those of new rows that join it.
enum SchemaDrift {
    /// The base's columns, then the new ones. Columns that one side lacks are null there. As in SQL,
    /// names that differ in case alone are one; the base's spelling stays. Throws `schema_changed`
    /// where a column has another type.
    static func joined(base: [ColumnSchema], new: [ColumnSchema], asset: AssetName) throws -> [ColumnSchema] {
        let types = Dictionary(base.map { ($0.name.lowercased(), $0.type) }) { first, _ in first }
        let changed = new.filter { (types[$0.name.lowercased()] ?? $0.type) != $0.type }
        guard changed.isEmpty else {
            let list = changed.map { "'\($0.name)' from \(types[$0.name.lowercased()] ?? "?") to \($0.type)" }.joined(
                separator: ", ")
            throw TaskError(
                code: "schema_changed", message: "the type of \(list) changed since the last snapshot of \(asset)",
                hint: "cast it back, load once in mode `replace`, or write a new asset")
        }
        return base.map { ColumnSchema(name: $0.name, type: $0.type) } + new.filter { types[$0.name.lowercased()] == nil }
    }
}
