public import FlowForgeProtocol

/// Which flows of one environment start which others, through triggers that wait for a flow's end or
/// for an asset. Flows that start each other would run for ever, so a graph with a cycle is refused.
public struct TriggerGraph: Sendable {
    /// A flow as people name it: `<bundle>/<flow>`.
    public struct Flow: Hashable, Sendable, Comparable, CustomStringConvertible {
        public var bundle: String
        public var name: String

        public init(bundle: String, name: String) {
            self.bundle = bundle
            self.name = name
        }

        public var description: String { "\(bundle)/\(name)" }
        public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
    }

    /// Why one flow starts another.
    public struct Link: Hashable, Sendable {
        public var from: Flow
        public var to: Flow
        /// The trigger of `to`.
        public var trigger: String
        /// The asset that `from` writes; absent where the trigger waits for the end of `from`.
        public var asset: AssetName?

        public init(from: Flow, to: Flow, trigger: String, asset: AssetName? = nil) {
            self.from = from
            self.to = to
            self.trigger = trigger
            self.asset = asset
        }
    }

    private var links: [Flow: [Link]] = [:]
    private var writers: [AssetName: Flow] = [:]
    private var waiting: [(asset: AssetName, flow: Flow, trigger: String)] = []

    public init() {}

    public mutating func writes(_ flow: Flow, _ asset: AssetName) { writers[asset] = flow }

    /// `trigger` of `flow` waits for the end of `upstream`.
    public mutating func waits(_ flow: Flow, for upstream: Flow, trigger: String) {
        links[upstream, default: []].append(Link(from: upstream, to: flow, trigger: trigger))
    }

    /// `trigger` of `flow` waits for a new snapshot of `asset`.
    public mutating func waits(_ flow: Flow, for asset: AssetName, trigger: String) {
        waiting.append((asset, flow, trigger))
    }

    /// A shortest cycle, starting with its alphabetically first flow; `nil` where there is none.
    public func cycle() -> [Link]? {
        var links = links
        for wait in waiting {
            guard let writer = writers[wait.asset] else { continue }
            links[writer, default: []].append(Link(from: writer, to: wait.flow, trigger: wait.trigger, asset: wait.asset))
        }
        var shortest: [Link]?
        for start in links.keys.sorted() {
            if let found = Self.cycle(through: start, links), found.count < shortest?.count ?? .max { shortest = found }
        }
        return shortest
    }

    /// Breadth first, so that what people have to read is as short as can be.
    private static func cycle(through start: Flow, _ links: [Flow: [Link]]) -> [Link]? {
        var cameBy: [Flow: Link] = [:]
        var frontier = [start]
        while !frontier.isEmpty {
            var next: [Flow] = []
            for link in frontier.flatMap({ links[$0] ?? [] }) {
                if link.to == start {
                    var cycle = [link]
                    while let first = cycle.first, first.from != start, let before = cameBy[first.from] {
                        cycle.insert(before, at: 0)
                    }
                    return cycle
                }
                if cameBy[link.to] == nil {
                    cameBy[link.to] = link
                    next.append(link.to)
                }
            }
            frontier = next
        }
        return nil
    }
}

extension [TriggerGraph.Link] {
    /// `shop/daily → (trigger 'after', flow ended) shop/report → (trigger 'fresh', silver.orders) shop/daily`
    public var arrows: String {
        guard let first else { return "" }
        return first.from.description
            + map { link in
                " → (trigger '\(link.trigger)', \(link.asset?.description ?? "its end")) \(link.to)"
            }.joined()
    }
}
