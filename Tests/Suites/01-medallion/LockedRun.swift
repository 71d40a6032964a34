import FlowForgeBundle
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Testing

/// What the lock of a bundle said before, against what the catalog learnt from a run of it.
enum LockedRun {
    /// `database` is the control plane's, which has ended.
    static func compare(_ lock: BundleLock, environment: String, database: URL) async throws {
        let store = try Store(path: database.path)
        defer { try? store.close() }
        for asset in lock.assets {
            let (schema, edges) = try await store.read { session in
                let columns = asset.columns.map { OperatorAPI.LineageNode(kind: .asset, name: "\(asset.asset)", column: $0.name) }
                return (
                    try session.assets.schema(of: asset.asset, environment: environment),
                    try columns.map { ($0.column ?? "", try session.lineage.edges(to: $0, environment: environment)) }
                )
            }
            let found = try #require(schema, "\(asset.asset) was not published")
            #expect(asset.columns.map { "\($0.name) \($0.type)" } == found.map { "\($0.name) \($0.type)" }, "\(asset.asset)")
            // Asked for a column, the catalog also gives what acts on all rows.
            for (column, edges) in edges {
                let locked = asset.lineage.filter { [column, ""].contains($0.column) }.map {
                    "\($0.kind.rawValue) \($0.from).\($0.fromColumn) \($0.type.rawValue) \($0.subtype.rawValue)"
                }
                let known = edges.map {
                    "\($0.from.kind.rawValue) \($0.from.name).\($0.from.column ?? "") \($0.type ?? "") \($0.subtype ?? "")"
                }
                #expect(Set(locked) == Set(known), "\(asset.asset).\(column)")
            }
        }
        #expect(lock.assets.contains { !$0.lineage.isEmpty } && lock.assets.allSatisfy(\.isKnown))
    }
}
