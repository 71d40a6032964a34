import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

@Suite struct ColumnImpactTests {
    private static let of = "sha256:" + String(repeating: "0", count: 64)

    /// `"silver.t(a INTEGER, b VARCHAR!) a<bronze.s.x *<bronze.s.y"`: `!` for never null, `*` for all rows.
    private func lock(_ tables: String...) -> BundleLock {
        BundleLock(
            engine: .init(name: "duckdb", version: "1"),
            assets: tables.map { text in
                let match = text.wholeMatch(of: /([a-z._0-9]+)\((.*?)\)\s*(.*)/)!.output
                let columns = match.2.split(separator: ", ").map { part in
                    let words = part.split(separator: " ")
                    let type = words[1].trimmingSuffix("!")
                    return LockedColumn(name: String(words[0]), type: type, nullable: words[1].hasSuffix("!") ? false : nil)
                }
                let lineage = match.3.split(separator: " ").map { step in
                    let parts = step.split(separator: "<")
                    let path = parts[1].split(separator: ".")
                    return LockedLineage(
                        column: parts[0] == "*" ? "" : String(parts[0]), from: "\(path[0]).\(path[1])", kind: .asset,
                        fromColumn: String(path[2]), subtype: parts[0] == "*" ? .filter : .transformation)
                }
                return LockedAsset(asset: AssetName(String(match.1))!, of: Self.of, columns: columns, lineage: lineage)
            })
    }

    private func edge(_ from: String, _ to: String, _ type: String? = "DIRECT") -> OperatorAPI.LineageEdge {
        func node(_ text: String) -> OperatorAPI.LineageNode {
            let parts = text.split(separator: ".").map(String.init)
            return .init(kind: .asset, name: "\(parts[0]).\(parts[1])", column: parts.count > 2 ? parts[2] : nil)
        }
        return .init(from: node(from), to: node(to), task: "t", type: type, subtype: nil)
    }

    private func said(_ impact: ColumnImpact) -> [String] {
        impact.columns.map { entry in
            let hits = entry.hits.map { "\($0.asset).\($0.column ?? "*")\($0.type == .direct ? "" : "?")" }
            return "\(entry.asset).\(entry.column) \(entry.change.action) \(entry.change.impact): \(hits.joined(separator: " "))"
        }
    }

    @Test func `DIRECT steps are followed to their end, INDIRECT ones a step, through all bundles`() {
        let before = lock("silver.t(a INTEGER, b INTEGER, c INTEGER)", "gold.g(a DOUBLE) a<silver.t.a *<silver.t.b")
        let after = lock("silver.t(a VARCHAR, c BIGINT)", "gold.g(a DOUBLE) a<silver.t.c")
        let deployed = [
            edge("gold.g.a", "gold.other.total"), edge("gold.other.total", "gold.last.share"),
            edge("gold.last.share", "gold.far", "INDIRECT"), edge("gold.far.x", "gold.never.x"),
            edge("silver.t.b", "gold.g.flag", "INDIRECT"), edge("gold.g.flag", "gold.never.y"),
            edge("silver.t", "gold.g", nil), edge("gold.last.share", "silver.t.a"),
        ]
        let impact = ColumnImpact(from: before, to: after, deployed: deployed)
        let direct = "gold.g.a gold.last.share gold.other.total"
        #expect(
            said(impact) == [
                "silver.t.a changed breaking: gold.far.*? \(direct)",
                "silver.t.b removed breaking: gold.g.*? gold.g.flag?",
                "silver.t.c changed nonBreaking: gold.far.*? \(direct) silver.t.a",
            ])
        #expect(!impact.isTruncated)
    }

    @Test func `what leads there both ways is DIRECT`() {
        let (before, after) = (lock("silver.t(a INTEGER)"), lock("silver.t(a DATE)"))
        for types in [["DIRECT", "INDIRECT"], ["INDIRECT", "DIRECT"]] {
            let edges = types.map { edge("silver.t.a", "gold.g.x", $0) } + [edge("gold.g.x", "gold.h.y")]
            #expect(
                said(ColumnImpact(from: before, to: after, deployed: edges)) == ["silver.t.a changed breaking: gold.g.x gold.h.y"]
            )
        }
    }

    @Test func `what is not known, new or only described changes nothing`() {
        let known = lock("silver.t(a INTEGER)")
        let unknown = BundleLock(
            engine: known.engine, assets: [LockedAsset(asset: AssetName("silver.t")!, of: Self.of, columns: [])])
        let none: [OperatorAPI.LineageEdge] = []
        #expect(ColumnImpact(from: known, to: unknown, deployed: none).columns.isEmpty)
        #expect(ColumnImpact(from: unknown, to: known, deployed: none).columns.isEmpty)
        #expect(ColumnImpact(from: nil, to: known, deployed: none).columns.isEmpty)
        #expect(ColumnImpact(from: known, to: nil, deployed: none).columns.isEmpty)
        #expect(ColumnImpact(from: known, to: known, deployed: none).columns.isEmpty)
        #expect(ColumnImpact(from: known, to: lock("silver.t(a INTEGER, b DATE)"), deployed: none).columns.isEmpty)
        var classified = known
        classified.assets[0].columns[0].classification = "secret"
        #expect(ColumnImpact(from: known, to: classified, deployed: none).columns.isEmpty)
        // A table that is gone takes its columns with it.
        #expect(
            said(ColumnImpact(from: known, to: lock("gold.x(a INTEGER)"), deployed: [edge("silver.t.a", "gold.x.a")]))
                == ["silver.t.a removed breaking: gold.x.a"])
        // No nulls was a promise.
        #expect(
            said(ColumnImpact(from: lock("silver.t(a DATE!)"), to: lock("silver.t(a DATE)"), deployed: none))
                == ["silver.t.a changed breaking: "])
    }

    @Test func `a walk ends in cycles, and at its bound`() {
        let (before, after) = (lock("silver.t(a INTEGER)"), lock("silver.t(a DATE)"))
        let ring = (0..<5).map { edge("gold.r\($0).x", "gold.r\(($0 + 1) % 5).x") } + [edge("silver.t.a", "gold.r0.x")]
        #expect(ColumnImpact(from: before, to: after, deployed: ring).columns[0].hits.count == 5)
        let wide = (0..<(ColumnImpact.mostHits + 5)).map { edge("silver.t.a", "gold.w\($0).x") }
        let impact = ColumnImpact(from: before, to: after, deployed: wide)
        #expect(impact.isTruncated && impact.columns[0].hits.count == ColumnImpact.mostHits)
    }

    /// 1,000 tables of 20 columns in 10 layers, each column made of the one before it; every column changes.
    /// The bound is for a debug build on a busy machine.
    @Test func `a thousand tables of twenty columns take no time to speak of`() {
        let columns = (0..<20).map { "c\($0)" }
        func big(_ type: String) -> BundleLock {
            BundleLock(
                engine: .init(name: "duckdb", version: "1"),
                assets: (0..<1000).map { number in
                    LockedAsset(
                        asset: AssetName("silver.t\(number)")!, of: Self.of,
                        columns: columns.map { LockedColumn(name: $0, type: type) },
                        lineage: number < 100
                            ? []
                            : columns.map {
                                LockedLineage(
                                    column: $0, from: "silver.t\(number - 100)", kind: .asset, fromColumn: $0,
                                    subtype: .identity)
                            })
                })
        }
        let (before, after) = (big("INTEGER"), big("VARCHAR"))
        let deployed = before.assets.flatMap { asset in
            asset.lineage.map { edge("\($0.from).\($0.fromColumn)", "\(asset.asset).\($0.column)") }
        }
        let start = ContinuousClock.now
        let impact = ColumnImpact(from: before, to: after, deployed: deployed)
        let took = ContinuousClock.now - start
        #expect(impact.columns.count == 20_000 && !impact.isTruncated)
        let hits = impact.columns.map(\.hits.count).reduce(0, +)
        // A column of a layer hits one in each layer after it: 9 + 8 + … for 2,000 columns a layer.
        #expect(hits == 45 * 2000)
        #expect(took < .seconds(20), "\(took)")
    }
}

extension Substring {
    fileprivate func trimmingSuffix(_ character: Character) -> String { String(last == character ? dropLast() : self) }
}
