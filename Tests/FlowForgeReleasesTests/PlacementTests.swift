import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeReleases

/// Where tables would lie, and what binds them, of manifests, locks and lineage that are given.
struct PlacementTests {
    private func asset(_ name: String) -> AssetName { AssetName(name)! }

    private func held(_ column: String, _ level: DataClass) -> GateFacts.Placement.Labelled {
        GateFacts.Placement.Labelled(column: column, level: level)
    }

    /// `tags` by column.
    private func task(_ output: String, _ tags: [String: [String]] = [:]) -> TaskSpec {
        TaskSpec(
            name: output.replacing(".", with: "_"), layer: asset(output).layer, sql: "q.sql", output: asset(output),
            columns: tags.sorted { $0.key < $1.key }.map { ColumnSpec(name: $0.key, tags: $0.value) })
    }

    private func edge(_ from: String, _ to: String, _ type: String? = "DIRECT") -> OperatorAPI.LineageEdge {
        func node(_ text: String) -> OperatorAPI.LineageNode {
            let parts = text.split(separator: ".").map(String.init)
            return .init(kind: .asset, name: "\(parts[0]).\(parts[1])", column: parts.count > 2 ? parts[2] : nil)
        }
        return .init(from: node(from), to: node(to), task: "t", type: type, subtype: nil)
    }

    /// Tables with columns of this class, as `silver.people.name: confidential`.
    private func lock(_ classes: [String: String], externals: [String: String] = [:]) -> BundleLock {
        func columns(_ classes: [String: String]) -> [(AssetName, [LockedColumn])] {
            classes.sorted { $0.key < $1.key }.map { path, level in
                let parts = path.split(separator: ".").map(String.init)
                return (
                    asset("\(parts[0]).\(parts[1])"), [LockedColumn(name: parts[2], type: "VARCHAR", classification: level)]
                )
            }
        }
        return BundleLock(
            engine: .init(name: "duckdb", version: "1"),
            assets: columns(classes).map {
                LockedAsset(asset: $0.0, of: "sha256:" + String(repeating: "0", count: 64), columns: $0.1)
            }, externals: columns(externals).map { LockedExternal(asset: $0.0, columns: $0.1) })
    }

    private func placements(
        _ tasks: [TaskSpec], lock: BundleLock? = nil, own: [OperatorAPI.LineageEdge] = [],
        lineage: [OperatorAPI.LineageEdge] = [], others: [(manifest: Manifest, lock: BundleLock?)] = [], zone: String? = nil
    ) -> [String: GateFacts.Placement] {
        let manifest = Manifest(name: "mart", version: "1.0.0", flows: [FlowSpec(name: "build", tasks: tasks)])
        let all = Placements(manifest: manifest, lock: lock, own: own, lineage: lineage, others: others, zone: zone).all()
        return Dictionary(all.map { ("\($0.asset)", $0) }) { first, _ in first }
    }

    // MARK: Classes

    @Test func `a class comes along the columns, however far`() {
        let found = placements(
            [task("silver.mid"), task("gold.sums"), task("gold.plain")],
            lock: lock([:], externals: ["bronze.people.name": "confidential"]),
            own: [
                edge("bronze.people.name", "silver.mid.who"), edge("silver.mid.who", "gold.sums.who"),
                edge("silver.mid.id", "gold.plain.id"),
            ])
        #expect(found["silver.mid"]?.highest == held("who", .confidential))
        #expect(found["gold.sums"]?.highest == held("who", .confidential))
        #expect(found.count == 3 && found["gold.plain"]?.highest == nil, "another column of the same table")
    }

    @Test func `what other bundles say of their tables comes along, too`() {
        let people = Manifest(
            name: "people", version: "1.0.0",
            flows: [FlowSpec(name: "load", tasks: [task("bronze.people", ["name": ["residency:eu"]])])])
        let found = placements(
            [task("gold.sums")], own: [edge("bronze.people.name", "gold.sums.who")],
            others: [(people, lock(["bronze.people.name": "restricted"]))])
        #expect(found["gold.sums"]?.highest == held("who", .restricted) && found["gold.sums"]?.zones == ["eu"])
        #expect(found.count == 1, "their tables are not the plan's")
    }

    @Test func `what only decides which rows there are hands no class on`() {
        let classes = lock([:], externals: ["silver.people.name": "restricted"])
        let own = [edge("silver.people.name", "gold.sums.n", "INDIRECT"), edge("silver.people.name", "gold.sums", "INDIRECT")]
        #expect(placements([task("gold.sums")], lock: classes, own: own)["gold.sums"]?.highest == nil)
    }

    @Test func `a column's own word counts more than its origins', and for those after it`() {
        let own = [edge("silver.people.name", "silver.mid.hash"), edge("silver.mid.hash", "gold.sums.hash")]
        let people = ["silver.people.name": "restricted"]
        let said = placements(
            [task("silver.mid"), task("gold.sums")], lock: lock(["silver.mid.hash": "internal"], externals: people), own: own)
        #expect(said["silver.mid"]?.highest == held("hash", .internal))
        #expect(said["gold.sums"]?.highest == held("hash", .internal))
        let tagged = placements(
            [task("silver.mid", ["hash": ["pii", "classification:public"]]), task("gold.sums")],
            lock: lock([:], externals: people), own: own)
        #expect(tagged["gold.sums"]?.highest == held("hash", .public))
    }

    @Test func `the highest of all columns is told, the first of those by name`() {
        let tags = ["a": ["classification:internal"], "c": ["classification:restricted"], "b": ["classification:restricted"]]
        #expect(placements([task("gold.sums", tags)])["gold.sums"]?.highest == held("b", .restricted))
        let mixed = placements(
            [task("gold.sums")],
            lock: lock([:], externals: ["silver.people.name": "confidential", "silver.cities.name": "public"]),
            own: [edge("silver.people.name", "gold.sums.text"), edge("silver.cities.name", "gold.sums.text")])
        #expect(mixed["gold.sums"]?.highest == held("text", .confidential), "of what it is made of, the highest")
        let strange = placements([task("gold.sums", ["a": ["classification:cosmic"]])])
        #expect(strange["gold.sums"]?.highest?.level == .unknown)
    }

    @Test func `tags that say nothing of class or zone are passed over`() {
        let tags = ["a": ["sensitive", "classification", "residency", "owner:finance"]]
        let found = placements([task("gold.sums", tags)])["gold.sums"]
        #expect(found?.highest == nil && found?.zones == [])
    }

    @Test func `a tag and the lineage mean the same column in upper and in lower case`() {
        let found = placements(
            [task("silver.people", ["Name": ["classification:restricted"]]), task("gold.sums")],
            own: [edge("silver.people.name", "gold.sums.who")])
        #expect(found["gold.sums"]?.highest == held("who", .restricted))
    }

    // MARK: Zones

    @Test func `a zone comes along with everything that a table is made of, and says by which way`() {
        let found = placements(
            [task("bronze.raw", ["name": ["residency:eu"]]), task("silver.mid"), task("gold.sums"), task("gold.other")],
            own: [edge("bronze.raw", "silver.mid", nil), edge("silver.mid", "gold.sums", nil)])
        #expect(found["bronze.raw"]?.zones == ["eu"] && found["bronze.raw"]?.through == [])
        #expect(found["silver.mid"]?.zones == ["eu"] && found["silver.mid"]?.through == [asset("bronze.raw")])
        #expect(found["gold.sums"]?.zones == ["eu"])
        #expect(found["gold.sums"]?.through == [asset("bronze.raw"), asset("silver.mid")], "from the origin on")
        #expect(found["gold.other"]?.zones == [])
    }

    @Test func `zones of several inputs come together, and one's own stays`() {
        let found = placements(
            [
                task("bronze.a", ["x": ["residency:eu"]]), task("bronze.b", ["x": ["residency:ch"]]),
                task("gold.sums", ["x": ["residency:uk"]]),
            ], own: [edge("bronze.a.x", "gold.sums.x"), edge("bronze.b.x", "gold.sums", "INDIRECT")])
        #expect(found["gold.sums"]?.zones == ["eu", "ch", "uk"])
    }

    @Test func `the lineage of other bundles between two tables counts`() {
        let tasks = [task("bronze.raw", ["x": ["residency:eu", "classification:restricted"]]), task("gold.sums")]
        let found = placements(
            tasks, own: [edge("silver.theirs", "gold.sums", nil), edge("silver.theirs.x", "gold.sums.x")],
            lineage: [edge("bronze.raw", "silver.theirs", nil), edge("bronze.raw.x", "silver.theirs.x")])
        #expect(found["gold.sums"]?.zones == ["eu"])
        #expect(found["gold.sums"]?.highest == held("x", .restricted))
        #expect(placements(tasks, own: [edge("silver.theirs", "gold.sums", nil)])["gold.sums"]?.zones == [])
    }

    @Test func `where pointers are moved, every table lies in the zone of the source`() {
        let found = placements([task("bronze.raw", ["x": ["residency:eu"]]), task("gold.sums")], zone: "us")
        #expect(found["bronze.raw"]?.zones == ["eu", "us"] && found["gold.sums"]?.zones == ["us"])
    }

    @Test func `tables that are made of each other end the search`() {
        let own = [
            edge("gold.a.x", "gold.b.x"), edge("gold.b.x", "gold.a.x"), edge("gold.a.x", "gold.a.x"),
            edge("bronze.raw.x", "gold.b.x"),
        ]
        let found = placements(
            [task("bronze.raw", ["x": ["residency:eu", "classification:internal"]]), task("gold.a"), task("gold.b")], own: own)
        for name in ["gold.a", "gold.b"] {
            #expect(found[name]?.zones == ["eu"])
            #expect(found[name]?.highest == held("x", .internal), "\(name)")
        }
    }
}
