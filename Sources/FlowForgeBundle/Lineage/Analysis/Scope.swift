/// What names mean at some place in a query. Looking outward, a correlated subquery sees the scope
/// of the query around it.
final class Scope {
    let outer: Scope?
    /// The FROM items so far.
    var from = FromClause()
    /// Common table expressions of this query, by lower-case name.
    var tables: [String: Relation] = [:]
    /// Select-list aliases, which DuckDB lets other clauses use.
    var aliases: [String: Set<Influence>] = [:]
    /// Parameters of the lambdas that we are in.
    var lambdaParameters: Set<String> = []

    init(outer: Scope?) { self.outer = outer }

    func table(_ name: String) -> Relation? { tables[name.lowercased()] ?? outer?.table(name) }

    /// What a column reference stands for; empty where it is unknown, e.g. a lambda's parameter.
    /// `aliasesFirst` in ORDER BY.
    func resolve(_ path: [String], aliasesFirst: Bool = false) -> Set<Influence> {
        let path = path.map { $0.lowercased() }
        if let first = path.first, isLambdaParameter(first) { return [] }
        if aliasesFirst, path.count == 1, let found = aliases[path[0]] { return found }
        if let found = from.resolve(path) { return found }
        if path.count == 1, let found = aliases[path[0]] { return found }
        return outer?.resolve(path) ?? []
    }

    private func isLambdaParameter(_ name: String) -> Bool {
        lambdaParameters.contains(name) || outer?.isLambdaParameter(name) == true
    }
}

/// The tables of a FROM clause.
struct FromClause {
    struct Item {
        /// Lower case: alias, or table and perhaps schema.
        var name: String
        var schema: String?
        var columns: [Relation.Column]
    }

    var items: [Item] = []
    /// Columns that a USING or NATURAL join made one, by lower-case name.
    var merged: [String: Set<Influence>] = [:]
    /// What `*` stands for.
    var star: [Relation.Column] = []

    init() {}

    init(_ item: Item) {
        items = [item]
        star = item.columns
    }

    /// `nil` where no item has such a column. The path is lower case: `column`, `table.column`,
    /// `schema.table.column`, each perhaps followed by fields of a struct.
    func resolve(_ path: [String]) -> Set<Influence>? {
        if path.count >= 3, let item = items.first(where: { $0.schema == path[0] && $0.name == path[1] }),
            let found = item.column(path[2])
        {
            return path.count > 3 ? found.transformed() : found
        }
        if path.count >= 2, let item = items.first(where: { $0.name == path[0] }), let found = item.column(path[1]) {
            return path.count > 2 ? found.transformed() : found
        }
        if let found = merged[path[0]] ?? items.lazy.compactMap({ $0.column(path[0]) }).first {
            return path.count > 1 ? found.transformed() : found
        }
        // A table's name alone is its rows as structs.
        guard path.count == 1, let item = items.first(where: { $0.name == path[0] }) else { return nil }
        return Relation(columns: item.columns).influences.transformed()
    }

    /// Two FROM clauses side by side.
    func joined(_ other: FromClause) -> FromClause {
        var result = self
        result.items += other.items
        result.merged.merge(other.merged) { left, _ in left }
        result.star += other.star
        return result
    }
}

extension FromClause.Item {
    func column(_ name: String) -> Set<Influence>? { columns.first { $0.name.lowercased() == name }?.influences }
}
