internal import FlowForgeProtocol

/// Reads the edges that lead to one asset out of an OpenLineage event.
///
/// Table edges come from the event's inputs, column edges from the output's `columnLineage` facet:
/// `fields.<column>.inputFields` for one column, `dataset` for input columns that act on every row.
/// Events come from outside: what does not have the facet's form is left out rather than refused,
/// since lineage is no reason to lose an outcome.
struct LineageReading {
    let environment: String
    let output: AssetName
    let task: String

    /// Each once, in the order of the event.
    func edges(of event: OpenLineage.RunEvent) -> [OperatorAPI.LineageEdge] {
        let namespace = OpenLineage.namespace(environment: environment)
        let dataset = event.outputs.first { $0.namespace == namespace && $0.name == output.description }
        var edges: [OperatorAPI.LineageEdge] = []
        var seen: Set<OperatorAPI.LineageEdge> = []
        func add(_ new: [OperatorAPI.LineageEdge]) {
            // An asset that builds on its own last snapshot (append, merge) is not made of itself.
            edges += new.filter { $0.from.name != output.description && seen.insert($0).inserted }
        }

        add(
            event.inputs.map { input in
                OperatorAPI.LineageEdge(
                    from: node(namespace: input.namespace, name: input.name), to: outputNode(nil), task: task, type: nil,
                    subtype: nil)
            })
        let facet = dataset?.facets["columnLineage"]
        for (column, field) in (facet?["fields"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) where !column.isEmpty {
            for input in field["inputFields"]?.array ?? [] { add(columnEdges(from: input, to: column)) }
        }
        for input in facet?["dataset"]?.array ?? [] { add(columnEdges(from: input, to: nil)) }
        return edges
    }

    /// One edge for each transformation; an input field without any is taken as `DIRECT`.
    private func columnEdges(from input: JSONValue, to column: String?) -> [OperatorAPI.LineageEdge] {
        guard let namespace = input["namespace"]?.string, let name = input["name"]?.string,
            let field = input["field"]?.string, !field.isEmpty
        else { return [] }
        var from = node(namespace: namespace, name: name)
        from.column = field
        let transformations = input["transformations"]?.array ?? []
        return (transformations.isEmpty ? [.object([:])] : transformations).map { transformation in
            let isIndirect = transformation["type"]?.string == "INDIRECT" || column == nil
            return OperatorAPI.LineageEdge(
                from: from, to: outputNode(column), task: task, type: isIndirect ? "INDIRECT" : "DIRECT",
                subtype: transformation["subtype"]?.string)
        }
    }

    private func outputNode(_ column: String?) -> OperatorAPI.LineageNode {
        OperatorAPI.LineageNode(kind: .asset, name: output.description, column: column)
    }

    private func node(namespace: String, name: String) -> OperatorAPI.LineageNode {
        if namespace == OpenLineage.namespace(environment: environment), AssetName(name) != nil {
            return OperatorAPI.LineageNode(kind: .asset, name: name)
        }
        if namespace == OpenLineage.sourceNamespace(environment: environment) {
            return OperatorAPI.LineageNode(kind: .source, name: name)
        }
        return OperatorAPI.LineageNode(kind: .source, name: "\(namespace)/\(name)")
    }
}
