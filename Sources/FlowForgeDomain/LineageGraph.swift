public import FlowForgeProtocol

/// Walks lineage without holding all of it: the edges of a node are asked for when the walk gets there.
///
/// Columns are followed along `DIRECT` edges only, since a filter or a join key says what decides
/// over rows and not where values come from; following those too soon leads to everything.
/// `INDIRECT` edges of a node on the way are part of the answer, and so is their far end, but the
/// walk does not go on from there.
public struct LineageGraph {
    public typealias Node = OperatorAPI.LineageNode
    public typealias Edge = OperatorAPI.LineageEdge

    public struct Walk: Sendable {
        /// Breadth-first from the root, which is first; each once.
        public var nodes: [Node]
        /// Each once, in the order in which the walk met them.
        public var edges: [Edge]
        /// Whether ``LineageGraph/largestWalk`` ended it.
        public var isTruncated: Bool
    }

    /// The most nodes that a walk visits.
    public static let largestWalk = 10_000

    private let direction: OperatorAPI.LineageDirection
    private let edges: (Node) throws -> [Edge]

    /// `edges` gives the edges that lead to a node (walking upstream) or from it (downstream).
    public init(direction: OperatorAPI.LineageDirection, edges: @escaping (Node) throws -> [Edge]) {
        self.direction = direction
        self.edges = edges
    }

    /// Everything within `depth` steps of `root`. Cycles end where they close.
    public func walk(from root: Node, depth: Int) throws -> Walk {
        var walk = Walk(nodes: [root], edges: [], isTruncated: false)
        var seenNodes: Set<Node> = [root]
        var seenEdges: Set<Edge> = []
        // Nodes that were only met by an INDIRECT edge are listed; a DIRECT one may yet lead on from them.
        var expanded: Set<Node> = [root]
        var frontier = [root]
        for _ in 0..<max(0, depth) where !frontier.isEmpty {
            var next: [Node] = []
            for node in frontier {
                for edge in try edges(node) where seenEdges.insert(edge).inserted {
                    let far = direction == .downstream ? edge.to : edge.from
                    if seenNodes.insert(far).inserted {
                        guard walk.nodes.count < Self.largestWalk else {
                            walk.isTruncated = true
                            return walk
                        }
                        walk.nodes.append(far)
                    }
                    walk.edges.append(edge)
                    if edge.type != "INDIRECT", expanded.insert(far).inserted { next.append(far) }
                }
            }
            frontier = next
        }
        return walk
    }
}
