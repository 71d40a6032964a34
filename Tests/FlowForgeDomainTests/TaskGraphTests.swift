import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Testing

struct TaskGraphTests {
    func asset(_ text: String) -> AssetName { AssetName(text) ?? AssetName("bronze.none")! }

    /// `a>b` reads bronze.a and writes bronze.b.
    func node(_ name: String, reads: [String] = [], writes: String? = nil) -> TaskGraph.Node {
        .init(name: name, inputs: reads.map { asset("bronze.\($0)") }, output: writes.map { asset("bronze.\($0)") })
    }

    @Test func `tasks come after what they read, alphabetically among equals`() throws {
        let nodes = [
            node("z", writes: "z"), node("b", reads: ["z", "a"], writes: "b"), node("a", writes: "a"),
            node("c", reads: ["b", "elsewhere"]), node("d", reads: ["a"]),
        ]
        for seed in 0..<10 as Range<UInt64> {
            var random = SeededNumbers(seed: seed)
            let graph = try TaskGraph(nodes.shuffled(using: &random))
            #expect(graph.order == ["a", "d", "z", "b", "c"], "seed \(seed)")
        }
        let graph = try TaskGraph(nodes)
        #expect(graph.upstream == ["a": [], "z": [], "b": ["a", "z"], "c": ["b"], "d": ["a"]])
        #expect(graph.downstream == ["a": ["b", "d"], "z": ["b"], "b": ["c"], "c": [], "d": []])
        #expect(graph.descendants(of: "a") == ["b", "c", "d"])
        #expect(graph.ancestors(of: "c") == ["a", "b", "z"])
    }

    @Test func `an empty flow is a graph`() throws {
        #expect(try TaskGraph([]).order == [])
    }

    @Test func `every fault is found at once, each cycle in the order of the data`() {
        let nodes = [
            node("a", reads: ["c"], writes: "a"), node("b", reads: ["a"], writes: "b"), node("c", reads: ["b"], writes: "c"),
            node("own", reads: ["own"], writes: "own"), node("waits", reads: ["a"]),
            node("x", writes: "same"), node("y", writes: "same"), node("twice"), node("twice"),
        ]
        do {
            _ = try TaskGraph(nodes.reversed())
            Issue.record("accepted")
        } catch {
            #expect(error.cycles == [["a", "b", "c"], ["own"]])
            #expect(error.severalWriters == [asset("bronze.same"): ["x", "y"]])
            #expect(error.duplicateNames == ["twice"])
            #expect(error.description.contains("a → b → c → a"))
        }
    }

    @Test func `random graphs are sorted, random cycles are found`() throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededNumbers(seed: seed)
            let count = Int.random(in: 1...30, using: &random)
            var nodes = (0..<count).map { index in
                let reads = (0..<index).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.map { "t\($0)" }
                return node("t\(index)", reads: reads, writes: "t\(index)")
            }
            let graph = try TaskGraph(nodes.shuffled(using: &random))
            let places = Dictionary(uniqueKeysWithValues: graph.order.enumerated().map { ($1, $0) })
            #expect(graph.order.count == count, "seed \(seed)")
            for (task, needs) in graph.upstream {
                #expect(needs.allSatisfy { places[$0]! < places[task]! }, "seed \(seed)")
            }
            let steps = graph.upstream.sorted { $0.key < $1.key }.flatMap { task, needs in needs.map { (task, $0) } }
            guard let (from, to) = steps.randomElement(using: &random),
                let index = nodes.firstIndex(where: { $0.name == to })
            else { continue }
            nodes[index].inputs.append(asset("bronze.\(from)"))
            #expect(throws: TaskGraphError.self, "seed \(seed)") { try TaskGraph(nodes) }
        }
    }
}

struct SpellingTests {
    @Test func `the nearest name is a hint, a far one is none`() {
        #expect(Spelling.nearest("ouput", among: ["input", "output"]) == "output")
        #expect(Spelling.nearest("Output", among: ["output"]) == "output")
        #expect(Spelling.nearest("yaer", among: ["year", "month"]) == "year")
        #expect(Spelling.nearest("colour", among: ["pool", "slots"]) == nil)
        #expect(Spelling.nearest("", among: ["a", "output"]) == "a")
        #expect(Spelling.nearest("x", among: []) == nil)
        #expect(Spelling.nearest(String(repeating: "x", count: 100_000), among: ["x"]) == nil)
    }
}
