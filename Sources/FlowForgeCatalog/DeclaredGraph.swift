internal import FlowForgeProtocol

/// The edges that releases declare, by the node that a walk comes from.
struct DeclaredGraph {
    private let direction: OperatorAPI.LineageDirection
    private var near: [OperatorAPI.LineageNode: [OperatorAPI.LineageEdge]] = [:]
    private var known: Set<OperatorAPI.LineageNode> = []

    init(_ edges: [OperatorAPI.LineageEdge], _ direction: OperatorAPI.LineageDirection) {
        self.direction = direction
        for edge in edges {
            near[direction == .downstream ? edge.from : edge.to, default: []].append(edge)
            known.formUnion([edge.from, edge.to])
        }
    }

    func knows(_ node: OperatorAPI.LineageNode) -> Bool { known.contains(node) }

    /// Of a column with what acts on all rows of its table, which then leads to the column.
    func edges(_ node: OperatorAPI.LineageNode) -> [OperatorAPI.LineageEdge] {
        let own = near[node] ?? []
        var table = node
        table.column = nil
        guard direction != .downstream, node.column != nil else {
            return own.filter { node.column != nil || direction == .downstream || $0.from.column == nil }
        }
        return own
            + (near[table] ?? []).filter { $0.from.column != nil }.map { edge in
                var edge = edge
                edge.to = node
                return edge
            }
    }
}
