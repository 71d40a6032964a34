public import FlowForgeProtocol

/// Column lineage of a SELECT, from DuckDB's own syntax tree and the columns of the inputs.
public struct ColumnLineageResolver: Sendable {
    /// The inputs with their columns.
    private let inputs: [(asset: AssetName, schema: [ColumnSchema])]

    public init(inputs: [(asset: AssetName, schema: [ColumnSchema])]) { self.inputs = inputs }

    /// `statement`: what `json_serialize_sql` gives for one statement. `output`: the columns that the
    /// query really has, whose names count where DuckDB made them up.
    public func lineage(of statement: JSONValue, output: [String]) -> ColumnLineage {
        guard let node = statement.node("node") else { return ColumnLineage(columns: []) }
        var relations: [String: Relation] = [:]
        for (asset, schema) in inputs {
            relations[asset.description] = Relation(
                columns: schema.map { column in
                    .init(name: column.name, influences: [Influence(origin: .asset(asset), column: column.name, kind: .identity)])
                })
        }
        let relation = QueryAnalysis(inputs: relations).relation(of: node, in: nil)
        return ColumnLineage(columns: columns(relation, output), dataset: relation.dataset)
    }

    /// By place where the counts agree, else by name: a column that cannot be matched has no lineage
    /// rather than a wrong one.
    private func columns(_ relation: Relation, _ output: [String]) -> [ColumnLineage.Column] {
        if relation.columns.count == output.count {
            return zip(output, relation.columns).map { .init(name: $0, influences: $1.influences) }
        }
        let byName = Dictionary(relation.columns.map { ($0.name.lowercased(), $0.influences) }) { $0.union($1) }
        return output.map { .init(name: $0, influences: byName[$0.lowercased()] ?? []) }
    }
}
