import FlowForgeProtocol

/// A lineage view as a tree from its root. A node that was drawn before is named again, but what
/// hangs below it is not repeated.
struct LineageTree {
    let view: OperatorAPI.LineageView
    let style: Style

    func lines() -> [String] { tree().lines(style) }

    func tree() -> Tree {
        let isUpstream = view.direction != .downstream
        let next = Dictionary(grouping: view.edges) { isUpstream ? $0.to : $0.from }
        var drawn: Set<OperatorAPI.LineageNode> = []
        return branch(view.root, by: [], next, isUpstream, &drawn)
    }

    private func branch(
        _ node: OperatorAPI.LineageNode, by edges: [OperatorAPI.LineageEdge],
        _ next: [OperatorAPI.LineageNode: [OperatorAPI.LineageEdge]], _ isUpstream: Bool,
        _ drawn: inout Set<OperatorAPI.LineageNode>
    ) -> Tree {
        var label = name(node) + how(edges)
        let following = next[node] ?? []
        guard drawn.insert(node).inserted else {
            if !following.isEmpty { label += style.paint(" (above)", .dim) }
            return Tree(label: label)
        }
        var order: [OperatorAPI.LineageNode] = []
        var grouped: [OperatorAPI.LineageNode: [OperatorAPI.LineageEdge]] = [:]
        for edge in following {
            let other = isUpstream ? edge.from : edge.to
            if grouped[other] == nil { order.append(other) }
            grouped[other, default: []].append(edge)
        }
        let children = order.map { branch($0, by: grouped[$0] ?? [], next, isUpstream, &drawn) }
        return Tree(label: label, children: children)
    }

    private func name(_ node: OperatorAPI.LineageNode) -> String {
        let column = node.column.map { style.paint(".\($0)", .bold) } ?? ""
        guard node.kind != .asset else {
            let ink = AssetName(node.name).map { RunTree.ink($0.layer) } ?? .bold
            return style.paint(node.name, ink) + column
        }
        return style.paint(node.name, .blue) + column
    }

    /// `  by task (AGGREGATION)`: every way in which the one reaches the other.
    private func how(_ edges: [OperatorAPI.LineageEdge]) -> String {
        guard !edges.isEmpty else { return "" }
        var kinds: [String] = []
        for edge in edges {
            guard let kind = edge.subtype ?? edge.type else { continue }
            let word = kind.lowercased().replacing("_", with: " ")
            if !kinds.contains(word) { kinds.append(word) }
        }
        let tasks = edges.reduce(into: [String]()) { if !$0.contains($1.task) { $0.append($1.task) } }
        let text = "by \(tasks.joined(separator: ", "))" + (kinds.isEmpty ? "" : " (\(kinds.joined(separator: ", ")))")
        return "  " + style.paint(text, .dim)
    }
}
