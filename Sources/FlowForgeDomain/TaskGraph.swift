public import FlowForgeProtocol
internal import HeapModule

/// The order of a flow's tasks, derived from the assets that they read and write: a task runs after
/// the task of the same flow that writes one of its inputs. Inputs that no task of the flow writes
/// (another flow's, or another bundle's) make no edge. What a task is told to come `after` makes one
/// too; a name that no task has is left out.
public struct TaskGraph: Hashable, Sendable {
    public struct Node: Hashable, Sendable {
        public var name: String
        public var inputs: [AssetName]
        public var output: AssetName?
        /// Names of tasks that come before it although it reads nothing of theirs.
        public var after: [String]

        public init(name: String, inputs: [AssetName] = [], output: AssetName? = nil, after: [String] = []) {
            self.name = name
            self.inputs = inputs
            self.output = output
            self.after = after
        }
    }

    /// Every task after everything that it depends on; alphabetical among equals, so that the same
    /// tasks have one order.
    public let order: [String]
    /// The direct dependencies of each task, sorted.
    public let upstream: [String: [String]]
    /// Who depends directly on each task, sorted.
    public let downstream: [String: [String]]

    /// Throws every duplicate name, every asset with several writers and one cycle of each group of
    /// tasks that wait for each other, at once.
    public init(_ nodes: [Node]) throws(TaskGraphError) {
        var error = TaskGraphError()
        let counts = Dictionary(nodes.map { ($0.name, 1) }, uniquingKeysWith: +)
        error.duplicateNames = counts.filter { $0.value > 1 }.keys.sorted()

        var writers: [AssetName: [String]] = [:]
        for node in nodes {
            if let output = node.output { writers[output, default: []].append(node.name) }
        }
        error.severalWriters = writers.filter { $0.value.count > 1 }.mapValues { $0.sorted() }

        var upstream: [String: Set<String>] = [:]
        var downstream: [String: Set<String>] = [:]
        for node in nodes {
            let needs = Set(node.inputs.flatMap { writers[$0] ?? [] } + node.after.filter { counts[$0] != nil })
            upstream[node.name, default: []].formUnion(needs)
            downstream[node.name, default: []].formUnion([])
            for need in needs { downstream[need, default: []].insert(node.name) }
        }
        self.upstream = upstream.mapValues { $0.sorted() }
        self.downstream = downstream.mapValues { $0.sorted() }

        order = Self.sorted(upstream: upstream, downstream: downstream)
        let stuck = Set(upstream.keys).subtracting(order)
        error.cycles = Self.cycles(among: stuck, downstream: self.downstream)
        guard error.isEmpty else { throw error }
    }

    /// Everything that depends on `task`, directly or not; without `task` itself.
    public func descendants(of task: String) -> Set<String> { Self.reach(from: task, along: downstream) }

    /// Everything that `task` depends on, directly or not; without `task` itself.
    public func ancestors(of task: String) -> Set<String> { Self.reach(from: task, along: upstream) }
}

extension TaskGraph {
    /// Kahn's algorithm; what waits for itself is left out.
    private static func sorted(upstream: [String: Set<String>], downstream: [String: Set<String>]) -> [String] {
        var waitsFor = upstream.mapValues(\.count)
        var ready = Heap(waitsFor.lazy.filter { $0.value == 0 }.map(\.key))
        var order: [String] = []
        while let next = ready.popMin() {
            order.append(next)
            for task in downstream[next] ?? [] {
                waitsFor[task, default: 0] -= 1
                if waitsFor[task] == 0 { ready.insert(task) }
            }
        }
        return order
    }

    /// Walks along `downstream` from each task until it comes back to itself. One cycle for each
    /// group is enough to act on: every member of a reported cycle is done with.
    private static func cycles(among stuck: Set<String>, downstream: [String: [String]]) -> [[String]] {
        var reported: Set<String> = []
        var cycles: [[String]] = []
        for start in stuck.sorted() where !reported.contains(start) {
            guard let cycle = shortestCycle(through: start, downstream: downstream, within: stuck.subtracting(reported))
            else { continue }
            reported.formUnion(cycle)
            cycles.append(cycle)
        }
        return cycles
    }

    /// Breadth first, so the cycle that people have to read is as short as can be.
    private static func shortestCycle(
        through start: String, downstream: [String: [String]], within: Set<String>
    ) -> [String]? {
        var cameFrom: [String: String] = [:]
        var frontier = [start]
        while !frontier.isEmpty {
            var next: [String] = []
            for task in frontier {
                for follower in downstream[task] ?? [] where within.contains(follower) {
                    if follower == start {
                        var cycle = [task]
                        while let last = cycle.last, last != start, let before = cameFrom[last] { cycle.append(before) }
                        return cycle.reversed()
                    }
                    if cameFrom[follower] == nil {
                        cameFrom[follower] = task
                        next.append(follower)
                    }
                }
            }
            frontier = next
        }
        return nil
    }

    private static func reach(from task: String, along edges: [String: [String]]) -> Set<String> {
        var found: Set<String> = []
        var waiting = edges[task] ?? []
        while let next = waiting.popLast() {
            if found.insert(next).inserted { waiting += edges[next] ?? [] }
        }
        return found.subtracting([task])
    }
}

/// Why tasks make no graph.
public struct TaskGraphError: Error, Hashable, Sendable, CustomStringConvertible {
    public var duplicateNames: [String] = []
    public var severalWriters: [AssetName: [String]] = [:]
    /// Each in the order in which data would flow, the first task not repeated at the end; a task
    /// that reads its own output is a cycle of one.
    public var cycles: [[String]] = []

    public init() {}

    public var isEmpty: Bool { duplicateNames.isEmpty && severalWriters.isEmpty && cycles.isEmpty }

    public var description: String {
        var sentences = duplicateNames.map { "two tasks are named '\($0)'" }
        sentences += severalWriters.sorted { $0.key < $1.key }.map { asset, tasks in
            "\(asset) is written by \(tasks.map { "'\($0)'" }.joined(separator: " and "))"
        }
        sentences += cycles.map { "tasks wait for each other: \(Self.arrows($0))" }
        return sentences.joined(separator: "; ")
    }

    /// `a → b → a`
    public static func arrows(_ cycle: [String]) -> String { (cycle + cycle.prefix(1)).joined(separator: " → ") }
}
