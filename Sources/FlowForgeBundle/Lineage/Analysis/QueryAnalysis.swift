import FlowForgeProtocol

/// Follows the columns of a query down to the columns of a task's inputs.
struct QueryAnalysis {
    /// The inputs, by `schema.table` in lower case.
    let inputs: [String: Relation]

    /// Any query: SELECT, set operation or recursive CTE.
    func relation(of node: JSONValue, in outer: Scope?) -> Relation {
        let scope = Scope(outer: outer)
        define(node.node("cte_map")?.list("map") ?? [], in: scope)
        switch node.nodeType {
        case "SELECT_NODE": return select(node, scope)
        case "SET_OPERATION_NODE": return setOperation(node, scope)
        case "RECURSIVE_CTE_NODE": return recursive(node, scope)
        case "CTE_NODE":
            if let name = node["cte_name"]?.string, let query = node.node("query") {
                scope.tables[name.lowercased()] = relation(of: query, in: scope).renamed(node.strings("aliases"))
            }
            return node.node("child").map { relation(of: $0, in: scope) } ?? Relation()
        default: return Relation()
        }
    }

    private func define(_ tables: [JSONValue], in scope: Scope) {
        for entry in tables {
            guard let name = entry["key"]?.string, let definition = entry.node("value"), let query = definition.query("query")
            else { continue }
            scope.tables[name.lowercased()] = relation(of: query, in: scope).renamed(definition.strings("aliases"))
        }
    }

    // MARK: SELECT

    private func select(_ node: JSONValue, _ scope: Scope) -> Relation {
        var result = Relation()
        if let from = node.node("from_table") { scope.from = self.from(from, scope, dataset: &result.dataset) }
        let items = node.list("select_list")
        let groupsByAll = node["aggregate_handling"]?.string == "FORCE_AGGREGATES"
        for item in items {
            let columns = expand(item, scope)
            for column in columns {
                result.columns.append(column)
                let key = column.name.lowercased()
                if !key.isEmpty, scope.aliases[key] == nil { scope.aliases[key] = column.influences }
            }
            if groupsByAll, !containsAggregate(item) {
                for column in columns { result.dataset.formUnion(column.influences.deciding(.groupBy)) }
            }
        }
        if let condition = node.node("where_clause") {
            result.dataset.formUnion(influences(of: condition, scope).deciding(.filter))
        }
        for key in ["having", "qualify"] {
            if let condition = node.node(key) { result.dataset.formUnion(influences(of: condition, scope).deciding(.filter)) }
        }
        for expression in node.list("group_expressions") {
            result.dataset.formUnion(listed(expression, result, scope, aliasesFirst: false).deciding(.groupBy))
        }
        apply(node.list("modifiers"), to: &result, scope)
        return result
    }

    /// ORDER BY and DISTINCT ON.
    private func apply(_ modifiers: [JSONValue], to result: inout Relation, _ scope: Scope) {
        for modifier in modifiers {
            for order in modifier.list("orders") {
                guard let expression = order.node("expression") else { continue }
                result.dataset.formUnion(listed(expression, result, scope, aliasesFirst: true).deciding(.sort))
            }
            for expression in modifier.list("distinct_on_targets") {
                result.dataset.formUnion(listed(expression, result, scope, aliasesFirst: false).deciding(.groupBy))
            }
        }
    }

    /// An expression of GROUP BY or ORDER BY: a number is the place of a column, `ALL` all of them.
    private func listed(_ expression: JSONValue, _ result: Relation, _ scope: Scope, aliasesFirst: Bool) -> Set<Influence> {
        if let place = expression.constantInteger {
            return result.columns.indices.contains(place - 1) ? result.columns[place - 1].influences : []
        }
        if expression.nodeClass == "STAR" { return result.influences }
        if expression.nodeClass == "COLUMN_REF" {
            return scope.resolve(expression.strings("column_names"), aliasesFirst: aliasesFirst)
        }
        return influences(of: expression, scope)
    }

    // MARK: set operations

    private func setOperation(_ node: JSONValue, _ scope: Scope) -> Relation {
        // Newer releases keep a chain of operations in one list.
        let children = node.list("children")
        let parts = children.isEmpty ? [node.node("left"), node.node("right")].compactMap(\.self) : children
        let relations = parts.map { relation(of: $0, in: scope) }
        guard var result = relations.first else { return Relation() }
        let kind = node["setop_type"]?.string ?? ""
        for other in relations.dropFirst() {
            result.dataset.formUnion(other.dataset)
            switch kind {
            case "UNION_BY_NAME":
                for column in other.columns {
                    let name = column.name.lowercased()
                    if let index = result.columns.firstIndex(where: { $0.name.lowercased() == name }) {
                        result.columns[index].influences.formUnion(column.influences)
                    } else {
                        result.columns.append(column)
                    }
                }
            case "EXCEPT", "INTERSECT":
                // The right side's values only decide which of the left side's rows stay.
                result.dataset.formUnion(other.influences.deciding(.filter))
            default:
                for (index, column) in other.columns.enumerated() where index < result.columns.count {
                    result.columns[index].influences.formUnion(column.influences)
                }
            }
        }
        for column in result.columns where !column.name.isEmpty { scope.aliases[column.name.lowercased()] = column.influences }
        apply(node.list("modifiers"), to: &result, scope)
        return result
    }

    /// Starts with the first part and adds the second until nothing new comes: influences are finite.
    private func recursive(_ node: JSONValue, _ scope: Scope) -> Relation {
        guard let name = node["cte_name"]?.string, let left = node.node("left"), let right = node.node("right") else {
            return Relation()
        }
        var result = relation(of: left, in: scope).renamed(node.strings("aliases"))
        while true {
            scope.tables[name.lowercased()] = result
            let step = relation(of: right, in: scope)
            var grown = result
            grown.dataset.formUnion(step.dataset)
            for (index, column) in step.columns.enumerated() where index < grown.columns.count {
                grown.columns[index].influences.formUnion(column.influences)
            }
            if grown == result { return result }
            result = grown
        }
    }
}
