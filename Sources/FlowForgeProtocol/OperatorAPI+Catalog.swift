public import Foundation

extension OperatorAPI {
    /// An asset of one environment. `schema` and `statistics` are absent in lists.
    public struct AssetView: Codable, Sendable {
        public var environment: String
        public var name: AssetName
        public var snapshot: SnapshotReference
        public var rows: Int64
        public var bytes: Int64
        public var publishedAt: Date
        public var run: ID<Run>
        public var task: String
        public var schema: [ColumnSchema]?
        public var statistics: [ColumnStatistics]?
        /// Results of the checks of the attempt that wrote the current snapshot.
        public var checks: [CheckResult]?
        /// Newest first.
        public var history: [SnapshotView]?
        public init(
            environment: String, name: AssetName, snapshot: SnapshotReference, rows: Int64, bytes: Int64,
            publishedAt: Date, run: ID<Run>, task: String, schema: [ColumnSchema]?, statistics: [ColumnStatistics]?,
            checks: [CheckResult]?, history: [SnapshotView]?
        ) {
            self.environment = environment
            self.name = name
            self.snapshot = snapshot
            self.rows = rows
            self.bytes = bytes
            self.publishedAt = publishedAt
            self.run = run
            self.task = task
            self.schema = schema
            self.statistics = statistics
            self.checks = checks
            self.history = history
        }
    }

    public struct SnapshotView: Codable, Sendable {
        public var snapshot: SnapshotReference
        public var rows: Int64
        public var bytes: Int64
        public var publishedAt: Date
        public var run: ID<Run>
        /// Whether the schema differs from the version before.
        public var schemaChanged: Bool
        public init(
            snapshot: SnapshotReference, rows: Int64, bytes: Int64, publishedAt: Date, run: ID<Run>,
            schemaChanged: Bool
        ) {
            self.snapshot = snapshot
            self.rows = rows
            self.bytes = bytes
            self.publishedAt = publishedAt
            self.run = run
            self.schemaChanged = schemaChanged
        }
    }

    public enum LineageDirection: String, WireEnum {
        case upstream, downstream
        case unknown
    }

    /// `GET /lineage?environment=&asset=&column=&direction=&depth=`. Edges lead from the source of
    /// data to what was made of it, whatever the direction asked; nodes are in breadth-first order from the root.
    public struct LineageView: Codable, Sendable {
        public var root: LineageNode
        public var direction: LineageDirection
        public var nodes: [LineageNode]
        public var edges: [LineageEdge]
        public init(
            root: LineageNode, direction: LineageDirection, nodes: [LineageNode], edges: [LineageEdge]
        ) {
            self.root = root
            self.direction = direction
            self.nodes = nodes
            self.edges = edges
        }
    }

    public struct LineageNode: Codable, Sendable, Hashable {
        public enum Kind: String, WireEnum {
            /// A table of the lake.
            case asset
            /// A raw file or table outside the lake.
            case source
            case unknown
        }
        public var kind: Kind
        /// An asset name, or the path of a source as the manifest gives it.
        public var name: String
        public var column: String?
        public init(kind: Kind, name: String, column: String? = nil) {
            self.kind = kind
            self.name = name
            self.column = column
        }
    }

    public struct LineageEdge: Codable, Sendable, Hashable {
        public var from: LineageNode
        public var to: LineageNode
        /// The task that makes the step.
        public var task: String
        /// OpenLineage `DIRECT` or `INDIRECT`, absent on edges between whole tables.
        public var type: String?
        /// e.g. `IDENTITY`, `TRANSFORMATION`, `AGGREGATION`, `JOIN`, `FILTER`, `GROUP_BY`.
        public var subtype: String?
        public init(from: LineageNode, to: LineageNode, task: String, type: String?, subtype: String?) {
            self.from = from
            self.to = to
            self.task = task
            self.type = type
            self.subtype = subtype
        }
    }
}
