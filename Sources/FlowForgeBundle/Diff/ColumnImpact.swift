internal import FlowForgeDomain
public import FlowForgeProtocol

/// What the columns that one lock changes against another are read by, however far downstream.
///
/// A column is hit where values of a changed one get into it, over any number of `DIRECT` steps. What an
/// `INDIRECT` step leads to is hit too, but not what comes after: a filter decides which rows there are,
/// and following those leads to everything. Steps are those of what is deployed and of both locks, since
/// who reads a column now is hit even if the new version no longer reads it.
public struct ColumnImpact: Hashable, Sendable, Codable {
    /// Columns that are removed or changed by more than descriptions, by table and name.
    public var columns: [Column]
    /// Whether ``mostHits`` ended a list.
    public var isTruncated: Bool

    public struct Column: Hashable, Sendable, Codable {
        public var asset: AssetName
        public var column: String
        public var change: BundleDiff.Change
        /// By table and column.
        public var hits: [Hit]
    }

    public struct Hit: Hashable, Sendable, Codable {
        /// May be of another bundle.
        public var asset: AssetName
        /// `nil`: which rows the table has, and so all of its columns.
        public var column: String?
        public var type: LockedLineage.Effect
    }

    /// Of one column.
    public static let mostHits = LineageGraph.largestWalk

    /// Either lock may be missing: nothing is known then, and so nothing changes. `deployed` are edges between
    /// columns of whatever bundles, as the catalog has them; those between whole tables are passed over.
    /// Where the bundle itself is not deployed, what the locks' own tables read does not count (`isReadByOwn` false).
    public init(
        from before: BundleLock?, to after: BundleLock?, deployed: some Sequence<OperatorAPI.LineageEdge>,
        isReadByOwn: Bool = true
    ) {
        columns = []
        isTruncated = false
        guard let before, let after else { return }
        let changes = Self.changes(from: before, to: after)
        guard !changes.isEmpty else { return }
        var steps = Steps()
        for edge in deployed { steps.add(edge) }
        for lock in isReadByOwn ? [before, after] : [] {
            for asset in lock.assets { for step in asset.lineage { steps.add(step, to: asset.asset) } }
        }
        for change in changes {
            let (hits, isCut) = steps.hits(from: change.asset, change.column)
            isTruncated = isTruncated || isCut
            columns.append(Column(asset: change.asset, column: change.column, change: change.change, hits: hits))
        }
    }

    /// As ``BundleDiff`` judges them, without those that are added.
    private static func changes(
        from before: BundleLock, to after: BundleLock
    ) -> [(asset: AssetName, column: String, change: BundleDiff.Change)] {
        let (old, new) = (before.knownColumns, after.knownColumns)
        let written = Set(after.assets.map(\.asset))
        return old.keys.sorted().flatMap { asset -> [(asset: AssetName, column: String, change: BundleDiff.Change)] in
            // Not known is not gone.
            if new[asset] == nil, written.contains(asset) { return [] }
            let columns = Dictionary((new[asset] ?? []).map { ($0.name, $0) }) { first, _ in first }
            return (old[asset] ?? []).sorted { $0.name < $1.name }.compactMap { column in
                let item = BundleFacts.Item(subject: .column, name: "\(asset).\(column.name)")
                guard let change = BundleDiff.Change(item, before: column.facts, after: columns[column.name]?.facts),
                    change.impact > .metadata
                else { return nil }
                return (asset, column.name, change)
            }
        }
    }
}

/// Steps between columns, by number: the walk compares no texts.
private struct Steps {
    private struct Node: Hashable {
        var asset: AssetName
        /// Empty: all rows.
        var column: String
    }
    private struct Step: Hashable {
        var to: Int32
        var isDirect: Bool
    }

    private var numbers: [Node: Int32] = [:]
    private var nodes: [Node] = []
    private var steps: [[Step]] = []
    /// The last walk that came by, and whether by DIRECT steps only.
    private var seen: [(walk: Int32, isDirect: Bool)] = []
    private var walk: Int32 = 0
    private var names: [String: AssetName?] = [:]

    private mutating func number(_ node: Node) -> Int32 {
        if let number = numbers[node] { return number }
        let number = Int32(nodes.count)
        numbers[node] = number
        nodes.append(node)
        steps.append([])
        seen.append((0, false))
        return number
    }

    private mutating func name(_ text: String) -> AssetName? {
        if let known = names[text] { return known }
        let name = AssetName(text)
        names[text] = .some(name)
        return name
    }

    private mutating func add(from: Node, to: Node, isDirect: Bool) {
        let (one, other) = (Int(number(from)), number(to))
        let step = Step(to: other, isDirect: isDirect)
        // Few lead from one column, but for keys; repetitions cost a look each.
        if steps[one].count > 64 || !steps[one].contains(step) { steps[one].append(step) }
    }

    mutating func add(_ edge: OperatorAPI.LineageEdge) {
        guard edge.type != nil, edge.from.kind == .asset, edge.to.kind == .asset, let column = edge.from.column,
            let from = name(edge.from.name), let to = name(edge.to.name)
        else { return }
        add(
            from: Node(asset: from, column: column), to: Node(asset: to, column: edge.to.column ?? ""),
            isDirect: edge.type == "DIRECT" && edge.to.column != nil)
    }

    mutating func add(_ step: LockedLineage, to asset: AssetName) {
        guard step.kind == .asset, let from = name(step.from) else { return }
        add(
            from: Node(asset: from, column: step.fromColumn), to: Node(asset: asset, column: step.column),
            isDirect: step.type == .direct)
    }

    mutating func hits(from asset: AssetName, _ column: String) -> (hits: [ColumnImpact.Hit], isCut: Bool) {
        guard let root = numbers[Node(asset: asset, column: column)] else { return ([], false) }
        walk += 1
        seen[Int(root)] = (walk, true)
        var (frontier, met): ([Int32], [Int32]) = ([root], [])
        var isCut = false
        while let node = frontier.popLast() {
            for step in steps[Int(node)] {
                let last = seen[Int(step.to)]
                let isMet = last.walk == walk
                if isMet, last.isDirect || !step.isDirect { continue }
                if !isMet {
                    guard met.count < ColumnImpact.mostHits else {
                        isCut = true
                        continue
                    }
                    met.append(step.to)
                }
                seen[Int(step.to)] = (walk, step.isDirect)
                if step.isDirect { frontier.append(step.to) }
            }
        }
        let hits = met.map { number in
            let node = nodes[Int(number)]
            return ColumnImpact.Hit(
                asset: node.asset, column: node.column.isEmpty ? nil : node.column,
                type: seen[Int(number)].isDirect ? .direct : .indirect)
        }
        return (hits.sorted { ($0.asset, $0.column ?? "") < ($1.asset, $1.column ?? "") }, isCut)
    }
}
