internal import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
public import Foundation

/// Answers what people ask about assets and about where they come from.
public struct CatalogReader: Sendable {
    private let store: Store
    private static let largestPage = 500
    private static let historyLimit = 50
    /// More steps than any lineage has; the walk ends where it has nothing more to visit.
    private static let deepestWalk = 1000

    public init(store: Store) { self.store = store }

    /// By name; `after` is the `next` of the page before.
    public func assets(
        environment: String, layer: Layer?, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.AssetView> {
        let behind = try after.map { text in
            guard let name = AssetName(text) else {
                throw APIError(
                    .invalidRequest, "after: '\(text.prefix(80))' is no cursor of this list",
                    hint: "use the 'next' of the page before")
            }
            return name
        }
        if layer == .unknown {
            throw APIError(.invalidRequest, "layer is no layer", hint: "bronze, silver or gold")
        }
        let limit = max(1, min(limit, Self.largestPage))
        let rows = try await store.read { session in
            try Self.requireEnvironment(environment, session)
            return try session.assets.list(environment: environment, layer: layer, after: behind, limit: limit + 1)
        }
        let page = Array(rows.prefix(limit))
        return OperatorAPI.Page(items: page, next: rows.count > limit ? page.last?.name.description : nil)
    }

    /// With schema, statistics, checks and the newest snapshots.
    public func asset(_ name: AssetName, environment: String) async throws -> OperatorAPI.AssetView {
        try await store.read { session in
            try Self.requireEnvironment(environment, session)
            guard
                let view = try session.assets.find(
                    name, environment: environment, historyLimit: Self.historyLimit)
            else { throw try Self.noAsset(name, environment, session) }
            return view
        }
    }

    /// What an asset or one of its columns was made of, or what was made of it, within `depth` steps; with a time,
    /// what the releases of that time declared it to be.
    ///
    /// Without a column: whole tables. With one: `DIRECT` edges are followed from column to column;
    /// `INDIRECT` ones (filters, join keys, groupings) of every column on the way are listed with their
    /// far end, but not followed. Throws ``APIError`` `not_found` for an unknown asset or column, with
    /// names that are near it, and `too_large` for more than ``LineageGraph/largestWalk`` nodes.
    public func lineage(
        of asset: AssetName, column: String?, environment: String, direction: OperatorAPI.LineageDirection, depth: Int,
        at time: Date? = nil
    ) async throws -> OperatorAPI.LineageView {
        guard direction != .unknown else {
            throw APIError(.invalidRequest, "direction is no direction", hint: "upstream or downstream")
        }
        let root = OperatorAPI.LineageNode(kind: .asset, name: asset.description, column: column)
        let walk = try await store.read { session in
            try Self.requireEnvironment(environment, session)
            if let time {
                let declared = DeclaredGraph(try session.releases.lineage(environment: environment, at: time), direction)
                guard declared.knows(root) else {
                    throw APIError(
                        .notFound,
                        "no release of '\(environment)' declared \(asset)\(column.map { ".\($0)" } ?? "") at that time",
                        hint: "`flowforge env releases \(environment)` says since when each was there")
                }
                return try LineageGraph(direction: direction, edges: declared.edges).walk(
                    from: root, depth: max(0, min(depth, Self.deepestWalk)))
            }
            try Self.requireKnown(root, asset, environment, session)
            let graph = LineageGraph(direction: direction) { node in
                switch direction {
                case .upstream: try session.lineage.edges(to: node, environment: environment)
                case .downstream, .unknown: try session.lineage.edges(from: node, environment: environment)
                }
            }
            return try graph.walk(from: root, depth: max(0, min(depth, Self.deepestWalk)))
        }
        guard !walk.isTruncated else {
            throw APIError(
                .tooLarge, "the lineage of \(asset) has more than \(LineageGraph.largestWalk) nodes",
                hint: "ask for fewer steps with 'depth'")
        }
        return OperatorAPI.LineageView(root: root, direction: direction, nodes: walk.nodes, edges: walk.edges)
    }
}

extension CatalogReader {
    private static func requireEnvironment(_ name: String, _ session: Session) throws {
        guard try session.environments.find(name) == nil else { return }
        let names = try session.environments.list(after: nil, limit: 1000).map(\.name)
        throw APIError(
            .notFound, "there is no environment '\(name.prefix(80))'",
            hint: Spelling.nearest(name, among: names).map { "did you mean '\($0)'?" } ?? "see 'flowforge env list'")
    }

    /// An asset that was never published is known if lineage names it.
    private static func requireKnown(
        _ root: OperatorAPI.LineageNode, _ asset: AssetName, _ environment: String, _ session: Session
    ) throws {
        let schema = try session.assets.schema(of: asset, environment: environment)
        let hasEdges = {
            try !session.lineage.edges(to: root, environment: environment).isEmpty
                || !session.lineage.edges(from: root, environment: environment).isEmpty
        }
        guard let column = root.column else {
            guard try schema != nil || hasEdges() else { throw try noAsset(asset, environment, session) }
            return
        }
        if let schema {
            let names = schema.map(\.name)
            if names.contains(column) { return }
            throw APIError(
                .notFound, "\(asset) has no column '\(column.prefix(80))' in environment '\(environment)'",
                hint: Spelling.nearest(column, among: names).map { "did you mean '\($0)'?" }
                    ?? "its columns are: \(names.joined(separator: ", "))")
        }
        guard try hasEdges() else { throw try noAsset(asset, environment, session) }
    }

    private static func noAsset(_ name: AssetName, _ environment: String, _ session: Session) throws -> APIError {
        let names = try session.assets.list(environment: environment, layer: nil, after: nil, limit: 10_000)
            .map(\.name.description)
        let near =
            Spelling.nearest(name.description, among: names) ?? names.first { $0.hasSuffix(".\(name.table)") }
        return APIError(
            .notFound, "there is no asset \(name) in environment '\(environment)'",
            hint: near.map { "did you mean '\($0)'?" }
                ?? (names.isEmpty ? "nothing was published there yet: start a run" : "see 'flowforge asset list'"))
    }
}
