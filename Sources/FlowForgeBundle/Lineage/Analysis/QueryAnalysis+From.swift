import FlowForgeProtocol

extension QueryAnalysis {
    /// A FROM item. `scope.from` grows while a join is read, so that its right side may be lateral.
    func from(_ node: JSONValue, _ scope: Scope, dataset: inout Set<Influence>) -> FromClause {
        switch node.nodeType {
        case "JOIN": return join(node, scope, dataset: &dataset)
        case "BASE_TABLE": return table(node, scope, dataset: &dataset)
        case "SUBQUERY":
            guard let query = node.query("subquery") else { return FromClause() }
            return item(relation(of: query, in: scope), node, named: "subquery", dataset: &dataset)
        case "TABLE_FUNCTION": return tableFunction(node, scope, dataset: &dataset)
        case "EXPRESSION_LIST":
            let rows = node.list("values").map { row in (row.array ?? []).map { influences(of: $0, scope) } }
            var relation = Relation()
            for row in rows {
                for (index, value) in row.enumerated() {
                    if index == relation.columns.count { relation.columns.append(.init(name: "col\(index)", influences: [])) }
                    relation.columns[index].influences.formUnion(value)
                }
            }
            return item(relation, node, named: "valueslist", dataset: &dataset)
        case "PIVOT": return item(pivot(node, scope, dataset: &dataset), node, named: "pivot", dataset: &dataset)
        default: return FromClause()
        }
    }

    private func item(
        _ relation: Relation, _ node: JSONValue, named name: String, schema: String? = nil, dataset: inout Set<Influence>
    ) -> FromClause {
        dataset.formUnion(relation.dataset)
        let renamed = relation.renamed(node.strings("column_name_alias"))
        return FromClause(
            .init(
                name: (node.alias.isEmpty ? name : node.alias).lowercased(), schema: node.alias.isEmpty ? schema : nil,
                columns: renamed.columns))
    }

    private func table(_ node: JSONValue, _ scope: Scope, dataset: inout Set<Influence>) -> FromClause {
        let name = node["table_name"]?.string ?? ""
        let schema = (node["schema_name"]?.string ?? "").lowercased()
        let relation: Relation
        if schema.isEmpty {
            relation = scope.table(name) ?? inputs.first { $0.key.hasSuffix(".\(name.lowercased())") }?.value ?? Relation()
        } else {
            relation = inputs["\(schema).\(name.lowercased())"] ?? Relation()
        }
        return item(relation, node, named: name, schema: schema.isEmpty ? nil : schema, dataset: &dataset)
    }

    /// `unnest`, `generate_series` and the like: their columns come from their arguments.
    private func tableFunction(_ node: JSONValue, _ scope: Scope, dataset: inout Set<Influence>) -> FromClause {
        let function = node.node("function") ?? .null
        let origin = function.list("children").reduce(into: Set<Influence>()) { $0.formUnion(influences(of: $1, scope)) }
        let names = node.strings("column_name_alias")
        let name = function.functionName
        let columns = (names.isEmpty ? [name] : names).map { Relation.Column(name: $0, influences: origin.transformed()) }
        return item(Relation(columns: columns), node, named: name, dataset: &dataset)
    }

    private func join(_ node: JSONValue, _ scope: Scope, dataset: inout Set<Influence>) -> FromClause {
        guard let leftNode = node.node("left"), let rightNode = node.node("right") else { return FromClause() }
        let before = scope.from
        let left = from(leftNode, scope, dataset: &dataset)
        scope.from = before.joined(left)
        let right = from(rightNode, scope, dataset: &dataset)
        scope.from = before
        let type = node["join_type"]?.string ?? "INNER"

        var shared = node.strings("using_columns").map { $0.lowercased() }
        if node["ref_type"]?.string == "NATURAL" {
            let rightNames = Set(right.star.map { $0.name.lowercased() })
            shared = left.star.map { $0.name.lowercased() }.filter(rightNames.contains)
        }
        var result = type == "SEMI" || type == "ANTI" ? left : left.joined(right)
        for name in shared {
            let (l, r) = (left.resolve([name]) ?? [], right.resolve([name]) ?? [])
            dataset.formUnion(l.union(r).deciding(.join))
            guard type != "SEMI", type != "ANTI" else { continue }
            let value = type == "RIGHT" ? r : type == "OUTER" || type == "FULL" ? l.union(r).transformed() : l
            result.merged[name] = value
            var seen = false
            result.star = result.star.compactMap { column in
                guard column.name.lowercased() == name else { return column }
                defer { seen = true }
                return seen ? nil : .init(name: column.name, influences: value)
            }
        }
        if let condition = node.node("condition") {
            let inside = Scope(outer: scope)
            inside.from = left.joined(right)
            dataset.formUnion(influences(of: condition, inside).deciding(.join))
        }
        return result
    }

    // MARK: PIVOT and UNPIVOT

    private func pivot(_ node: JSONValue, _ scope: Scope, dataset: inout Set<Influence>) -> Relation {
        guard let sourceNode = node.node("source") else { return Relation() }
        let inside = Scope(outer: scope)
        inside.from = from(sourceNode, scope, dataset: &dataset)
        let source = inside.from.star
        let values = node.strings("unpivot_names")
        return values.isEmpty ? pivot(node, source, inside) : unpivot(node, source, values)
    }

    private func pivot(_ node: JSONValue, _ source: [Relation.Column], _ scope: Scope) -> Relation {
        var used: Set<Influence> = []
        var names = [""]
        for pivot in node.list("pivots") {
            for expression in pivot.list("pivot_expressions") { used.formUnion(influences(of: expression, scope)) }
            let entries = pivot.list("entries").map { entry in
                entry.alias.isEmpty
                    ? entry.list("values").map { $0["value"].map { $0.string ?? $0.integer.map(String.init) ?? "" } ?? "" }
                        .joined(separator: "_")
                    : entry.alias
            }
            names = names.flatMap { prefix in entries.map { prefix.isEmpty ? $0 : "\(prefix)_\($0)" } }
        }
        let aggregates = node.list("aggregates")
        let arguments = aggregates.map { influences(of: $0, scope) }
        let consumed = arguments.reduce(used) { $0.union($1) }
        let groups = node.strings("groups").map { $0.lowercased() }
        let kept = source.filter { column in
            groups.isEmpty
                ? column.influences.map(\.column).allSatisfy { name in !consumed.contains { $0.column == name } }
                : groups.contains(column.name.lowercased())
        }
        let pivoted = names.flatMap { name in
            zip(aggregates, arguments).map { aggregate, argument in
                let suffix = aggregate.alias.isEmpty ? aggregate.printed : aggregate.alias
                return Relation.Column(
                    name: aggregates.count == 1 && aggregate.alias.isEmpty ? name : "\(name)_\(suffix)",
                    influences: argument.aggregated().union(used.deciding(.conditional)))
            }
        }
        return Relation(columns: kept + pivoted, dataset: Relation(columns: kept).influences.deciding(.groupBy))
    }

    private func unpivot(_ node: JSONValue, _ source: [Relation.Column], _ values: [String]) -> Relation {
        var result = Relation()
        var gone: Set<String> = []
        var gathered: Set<Influence> = []
        var names: [String] = []
        for pivot in node.list("pivots") {
            names += pivot.strings("unpivot_names")
            for entry in pivot.list("entries") {
                for value in entry.list("values") {
                    guard let name = value["value"]?.string?.lowercased() else { continue }
                    gone.insert(name)
                    gathered.formUnion(source.first { $0.name.lowercased() == name }?.influences ?? [])
                }
            }
        }
        result.columns = source.filter { !gone.contains($0.name.lowercased()) }
        result.columns += names.map { .init(name: $0, influences: []) }
        result.columns += values.map { .init(name: $0, influences: gathered.transformed()) }
        return result
    }
}
