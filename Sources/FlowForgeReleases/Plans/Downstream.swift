internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// Follows breaking changes along the lineage that releases declare, in the environment and in those that
/// have it as an upstream.
struct Downstream {
    let session: Session
    let environment: String
    /// More are not named.
    static let most = 2000

    /// Sorted, each column once for each change that reaches it.
    func hits(of changes: [PlanChange], from before: BundleLock?, to after: BundleLock?) throws -> [ColumnHit] {
        let columns = Set(changes.filter { $0.subject == "column" && $0.impact == .breaking }.map(\.name))
        let tables = changes.filter { $0.subject == "asset" && $0.impact == .breaking }.compactMap { AssetName($0.name) }
        guard !columns.isEmpty || !tables.isEmpty else { return [] }
        var hits: Set<ColumnHit> = []
        for name in try environments() {
            let edges = try session.releases.lineage(environment: name)
            for column in ColumnImpact(
                from: before, to: after, deployed: edges, isReadByOwn: name == environment
            ).columns {
                let cause = "\(column.asset).\(column.column)"
                guard columns.contains(cause) else { continue }
                for hit in column.hits where hit.asset != column.asset {
                    hits.insert(ColumnHit(environment: name, asset: hit.asset, column: hit.column, because: cause))
                }
            }
            for table in tables {
                for edge in edges where edge.from.name == "\(table)" && edge.from.kind == .asset && edge.to.name != "\(table)" {
                    guard let asset = AssetName(edge.to.name) else { continue }
                    hits.insert(ColumnHit(environment: name, asset: asset, column: edge.to.column, because: "\(table)"))
                }
            }
        }
        return hits.sorted { ($0.environment, $0.description, $0.because) < ($1.environment, $1.description, $1.because) }
            .prefix(Self.most).map(\.self)
    }

    private func environments() throws -> [String] {
        var environments = [environment]
        var open = environments
        while let name = open.popLast() {
            for next in try session.environments.downstream(of: name) where !environments.contains(next) {
                environments.append(next)
                open.append(next)
            }
        }
        return environments
    }
}
