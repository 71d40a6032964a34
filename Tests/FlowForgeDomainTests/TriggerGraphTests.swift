import FlowForgeDomain
import FlowForgeProtocol
import Testing

struct TriggerGraphTests {
    private func flow(_ name: String, _ bundle: String = "shop") -> TriggerGraph.Flow { .init(bundle: bundle, name: name) }

    @Test func `flows that wait for each other's end are a cycle`() throws {
        var graph = TriggerGraph()
        graph.waits(flow("b"), for: flow("a"), trigger: "after_a")
        #expect(graph.cycle() == nil)
        graph.waits(flow("c"), for: flow("b"), trigger: "after_b")
        graph.waits(flow("a"), for: flow("c"), trigger: "after_c")
        let cycle = try #require(graph.cycle())
        #expect(
            cycle.arrows
                == "shop/a → (trigger 'after_a', its end) shop/b → (trigger 'after_b', its end) shop/c → (trigger 'after_c', its end) shop/a"
        )
    }

    @Test func `a flow that waits for what it writes itself is a cycle`() throws {
        var graph = TriggerGraph()
        let asset = try #require(AssetName("silver.orders"))
        graph.waits(flow("a"), for: asset, trigger: "fresh")
        #expect(graph.cycle() == nil, "nobody writes it yet")
        graph.writes(flow("a"), asset)
        #expect(graph.cycle()?.arrows == "shop/a → (trigger 'fresh', silver.orders) shop/a")
    }

    @Test func `a cycle through assets and ends and across bundles is found, the shortest first`() throws {
        var graph = TriggerGraph()
        let (one, two) = (try #require(AssetName("silver.one")), try #require(AssetName("gold.two")))
        graph.writes(flow("a"), one)
        graph.writes(flow("b", "sales"), two)
        graph.waits(flow("b", "sales"), for: one, trigger: "fresh")
        graph.waits(flow("c"), for: two, trigger: "fresh")
        graph.waits(flow("a"), for: flow("c"), trigger: "after")
        #expect(
            graph.cycle()?.arrows
                == "sales/b → (trigger 'fresh', gold.two) shop/c → (trigger 'after', its end) shop/a → (trigger 'fresh', silver.one) sales/b"
        )
        graph.waits(flow("d"), for: flow("d"), trigger: "self")
        #expect(graph.cycle()?.arrows == "shop/d → (trigger 'self', its end) shop/d")
    }

    @Test func `many flows that start one another in turn are no cycle`() {
        var graph = TriggerGraph()
        for index in 0..<300 {
            for next in index + 1..<min(index + 4, 300) {
                graph.waits(flow("f\(next)"), for: flow("f\(index)"), trigger: "t\(index)")
            }
        }
        #expect(graph.cycle() == nil)
    }
}
