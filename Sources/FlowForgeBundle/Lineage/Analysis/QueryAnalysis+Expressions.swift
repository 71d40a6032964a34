import FlowForgeProtocol

extension QueryAnalysis {
    /// What an expression's value comes from.
    func influences(of expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        switch expression.nodeClass {
        case "COLUMN_REF": return scope.resolve(expression.strings("column_names"))
        case "CONSTANT", "DEFAULT", "PARAMETER": return []
        case "FUNCTION": return function(expression, scope)
        case "WINDOW": return window(expression, scope)
        case "CASE": return conditional(expression, scope)
        case "SUBQUERY": return subquery(expression, scope)
        case "LAMBDA": return lambda(expression, scope)
        case "STAR":
            // count(*) and the like; a star that stands for columns was expanded before.
            return expression["columns"]?.bool == true
                ? matches(expression, scope).reduce(into: []) { $0.formUnion($1.influences) } : []
        default: return union(expression.subexpressions, scope).transformed()
        }
    }

    private func union(_ expressions: [JSONValue], _ scope: Scope) -> Set<Influence> {
        expressions.reduce(into: []) { $0.formUnion(influences(of: $1, scope)) }
    }

    private func function(_ expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        let arguments = union(expression.list("children"), scope)
        guard AggregateNames.all.contains(expression.functionName) else { return arguments.transformed() }
        var result = arguments.aggregated()
        if let filter = expression.node("filter") { result.formUnion(influences(of: filter, scope).deciding(.filter)) }
        let orders = expression.node("order_bys")?.list("orders").compactMap { $0.node("expression") } ?? []
        return result.union(union(orders, scope).deciding(.sort))
    }

    /// The arguments make the value; partition, order and frame only choose the rows.
    private func window(_ expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        let arguments = union(expression.list("children"), scope)
        var result = AggregateNames.all.contains(expression.functionName) ? arguments.aggregated() : arguments.transformed()
        let orders = (expression.list("orders") + expression.list("arg_orders")).compactMap { $0.node("expression") }
        let frame = ["start_expr", "end_expr", "offset_expr"].compactMap { expression.node($0) }
        result.formUnion(union(expression.list("partitions") + orders + frame, scope).deciding(.window))
        if let value = expression.node("default_expr") { result.formUnion(influences(of: value, scope).transformed()) }
        if let filter = expression.node("filter_expr") { result.formUnion(influences(of: filter, scope).deciding(.filter)) }
        return result
    }

    private func conditional(_ expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        let checks = expression.list("case_checks")
        let values = checks.compactMap { $0.node("then_expr") } + [expression.node("else_expr")].compactMap(\.self)
        let conditions = checks.compactMap { $0.node("when_expr") }
        return union(values, scope).transformed().union(union(conditions, scope).deciding(.conditional))
    }

    private func subquery(_ expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        guard let query = expression.query("subquery") else { return [] }
        let rows = relation(of: query, in: scope)
        switch expression["subquery_type"]?.string {
        case "SCALAR": return rows.influences.transformed().union(rows.dataset)
        case "EXISTS", "NOT_EXISTS": return rows.influences.deciding(.conditional).union(rows.dataset)
        default:
            let tested = expression.node("child").map { influences(of: $0, scope).transformed() } ?? []
            return tested.union(rows.influences.deciding(.conditional)).union(rows.dataset)
        }
    }

    private func lambda(_ expression: JSONValue, _ scope: Scope) -> Set<Influence> {
        guard let body = expression.node("expr") else { return [] }
        let inside = Scope(outer: scope)
        if let parameters = expression.node("lhs") { inside.lambdaParameters = names(in: parameters) }
        return influences(of: body, inside).transformed()
    }

    private func names(in expression: JSONValue) -> Set<String> {
        if expression.nodeClass == "COLUMN_REF" { return Set(expression.strings("column_names").map { $0.lowercased() }) }
        return expression.subexpressions.reduce(into: []) { $0.formUnion(names(in: $1)) }
    }

    /// Whether GROUP BY ALL leaves the expression out.
    func containsAggregate(_ expression: JSONValue) -> Bool {
        switch expression.nodeClass {
        case "FUNCTION" where AggregateNames.all.contains(expression.functionName): true
        case "SUBQUERY": false
        default: expression.subexpressions.contains(where: containsAggregate)
        }
    }
}
