internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol

/// Where a bundle's tables would lie, with what binds them: zones come along with everything that a table is
/// made of, classes along the columns. Tags say both: `residency:eu` and `classification:confidential` on a
/// column. A column that names its own class has that one, whatever it is made of: a hash of a name is no name.
struct Placements {
    private let manifest: Manifest
    private var ownZones: [AssetName: Set<String>] = [:]
    private var ownClass: [Column: DataClass] = [:]
    private var inputs: [AssetName: Set<AssetName>] = [:]
    private var origins: [Column: Set<Column>] = [:]

    /// Names of columns mean the same in upper and in lower case, as in SQL.
    private struct Column: Hashable {
        var asset: String
        var name: String
        init(asset: String, name: String) {
            self.asset = asset
            self.name = name.lowercased()
        }
    }

    /// `lineage` of everything that is released to the environment, and `others`, the bundles besides; `zone` that all of it comes from, where
    /// pointers are moved instead of tables made.
    init(
        manifest: Manifest, lock: BundleLock?, own: [OperatorAPI.LineageEdge], lineage: [OperatorAPI.LineageEdge],
        others: [(manifest: Manifest, lock: BundleLock?)] = [], zone: String?
    ) {
        self.manifest = manifest
        for edge in own + lineage where edge.from.kind == .asset {
            if let to = AssetName(edge.to.name), let from = AssetName(edge.from.name), to != from {
                inputs[to, default: []].insert(from)
            }
            if let to = edge.to.column, let from = edge.from.column, edge.type != "INDIRECT" {
                origins[Column(asset: edge.to.name, name: to), default: []].insert(Column(asset: edge.from.name, name: from))
            }
        }
        if let zone { for output in manifest.outputs { ownZones[output, default: []].insert(zone) } }
        // What the bundle itself says comes last: of a table of others it only repeats what was true.
        for (manifest, lock) in others + [(manifest, lock)] { note(manifest, lock) }
    }

    private mutating func note(_ manifest: Manifest, _ lock: BundleLock?) {
        for task in manifest.flows.flatMap(\.tasks) {
            guard let output = task.output else { continue }
            for column in task.columns { note(column.tags, of: column.name, in: output) }
        }
        for asset in lock?.assets ?? [] {
            for column in asset.columns {
                note(column.classification.map { ["classification:\($0)"] } ?? [], of: column.name, in: asset.asset)
            }
        }
        for external in lock?.externals ?? [] {
            for column in external.columns {
                note(column.classification.map { ["classification:\($0)"] } ?? [], of: column.name, in: external.asset)
            }
        }
    }

    private mutating func note(_ tags: [String], of column: String, in asset: AssetName) {
        for tag in tags {
            let parts = tag.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            if parts[0] == "residency" { ownZones[asset, default: []].insert(parts[1]) }
            if parts[0] == "classification" {
                ownClass[Column(asset: "\(asset)", name: column)] = DataClass(rawValue: parts[1]) ?? .unknown
            }
        }
    }

    /// By asset.
    func all() -> [GateFacts.Placement] {
        var classes: [Column: DataClass] = [:]
        let columns = Dictionary(grouping: Set(origins.keys).union(ownClass.keys), by: \.asset)
        return manifest.outputs.sorted().map { asset in
            let (zones, through) = zones(of: asset)
            var open: Set<Column> = []
            let levels = (columns["\(asset)"] ?? []).compactMap { column in
                level(of: column, &classes, &open).map { GateFacts.Placement.Labelled(column: column.name, level: $0) }
            }
            return .init(
                asset: asset, zones: zones, highest: levels.max { ($0.level, $1.column) < ($1.level, $0.column) },
                through: through)
        }
    }

    /// With a shortest way from where the first foreign zone comes in.
    private func zones(of asset: AssetName) -> (Set<String>, [AssetName]) {
        var zones = ownZones[asset] ?? []
        var way: [AssetName: AssetName] = [:]
        var open = [asset]
        var origin: AssetName?
        while !open.isEmpty {
            let next = open.removeFirst()
            for input in (inputs[next] ?? []).sorted() where input != asset && way[input] == nil {
                way[input] = next
                open.append(input)
                if let more = ownZones[input], !more.isSubset(of: zones) {
                    zones.formUnion(more)
                    origin = origin ?? input
                }
            }
        }
        var through: [AssetName] = []
        while let step = origin, step != asset {
            through.append(step)
            origin = way[step]
        }
        return (zones, through)
    }

    private func level(of column: Column, _ known: inout [Column: DataClass], _ open: inout Set<Column>) -> DataClass? {
        if let own = ownClass[column] { return own }
        if let level = known[column] { return level }
        guard open.insert(column).inserted else { return nil }
        let level = (origins[column] ?? []).compactMap { self.level(of: $0, &known, &open) }.max()
        if let level { known[column] = level }
        return level
    }
}
