import FlowForgeDomain
import FlowForgeProtocol
import Testing

@Suite struct LineageGraphTests {
    private typealias Node = OperatorAPI.LineageNode
    private typealias Edge = OperatorAPI.LineageEdge

    private func node(_ name: String, _ column: String? = nil) -> Node { Node(kind: .asset, name: name, column: column) }

    private func edge(_ from: Node, _ to: Node, _ type: String? = nil) -> Edge {
        Edge(from: from, to: to, task: "t", type: type, subtype: nil)
    }

    private func walk(
        _ edges: [Edge], from root: Node, _ direction: OperatorAPI.LineageDirection = .upstream, depth: Int = 10
    ) throws -> LineageGraph.Walk {
        try LineageGraph(direction: direction) { node in
            edges.filter { (direction == .upstream ? $0.to : $0.from) == node }
        }.walk(from: root, depth: depth)
    }

    @Test func `both sides of a diamond are walked and its end is met once`() throws {
        let (a, b, c, d) = (node("a"), node("b"), node("c"), node("d"))
        let edges = [edge(a, b), edge(a, c), edge(b, d), edge(c, d)]
        let up = try walk(edges, from: d)
        #expect(up.nodes == [d, b, c, a])
        #expect(Set(up.edges) == Set(edges) && up.edges.count == 4)
        let down = try walk(edges, from: a, .downstream)
        #expect(down.nodes == [a, b, c, d])
        #expect(down.edges.count == 4)
    }

    @Test func `a cycle ends where it closes`() throws {
        let (a, b) = (node("a"), node("b"))
        let found = try walk([edge(a, b), edge(b, a), edge(a, a)], from: a)
        #expect(found.nodes == [a, b])
        #expect(found.edges.count == 3)
    }

    @Test func `the walk is as deep as asked`() throws {
        let nodes = (0..<6).map { node("n\($0)") }
        let chain = zip(nodes, nodes.dropFirst()).map { edge($0, $1) }
        #expect(try walk(chain, from: nodes[5], depth: 2).nodes == [nodes[5], nodes[4], nodes[3]])
        #expect(try walk(chain, from: nodes[5], depth: 0).nodes == [nodes[5]])
        #expect(try walk(chain, from: nodes[5], depth: -1).edges.isEmpty)
    }

    @Test func `an indirect edge is listed but not followed`() throws {
        let (raw, key, amount, total) = (node("raw", "k"), node("s", "key"), node("s", "amount"), node("g", "total"))
        let edges = [edge(amount, total, "DIRECT"), edge(key, total, "INDIRECT"), edge(raw, key, "DIRECT")]
        let found = try walk(edges, from: total)
        #expect(found.nodes == [total, amount, key])
        #expect(found.edges.count == 2)
    }

    @Test func `a column met indirectly first is followed when a direct edge leads there too`() throws {
        let (raw, key, total) = (node("raw", "k"), node("s", "key"), node("g", "total"))
        let edges = [edge(key, total, "INDIRECT"), edge(key, total, "DIRECT"), edge(raw, key, "DIRECT")]
        #expect(try walk(edges, from: total).nodes == [total, key, raw])
    }

    @Test func `a walk that gets too big says so`() throws {
        let root = node("root")
        let found = try LineageGraph(direction: .upstream) { at in
            at == root ? (0..<20_000).map { Edge(from: node("n\($0)"), to: root, task: "t", type: nil, subtype: nil) } : []
        }.walk(from: root, depth: 2)
        #expect(found.isTruncated)
        #expect(found.nodes.count == LineageGraph.largestWalk)
    }
}
