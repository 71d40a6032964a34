public import FlowForgeProtocol

/// Where the columns of a task's output come from, in the words of OpenLineage's
/// ColumnLineageDatasetFacet 1-2-0.
public struct ColumnLineage: Hashable, Sendable {
    /// The columns of the output in their order.
    public var columns: [Column]
    /// What decided which rows there are, or their order: joins, filters, groupings, sorts.
    public var dataset: Set<Influence>

    public init(columns: [Column], dataset: Set<Influence> = []) {
        self.columns = columns
        self.dataset = dataset
    }

    public struct Column: Hashable, Sendable {
        public var name: String
        public var influences: Set<Influence>

        public init(name: String, influences: Set<Influence>) {
            self.name = name
            self.influences = influences
        }
    }

    /// One input column and what was done with it.
    public struct Influence: Hashable, Sendable {
        public var origin: LineageOrigin
        public var column: String
        public var kind: Kind

        public init(origin: LineageOrigin, column: String, kind: Kind) {
            self.origin = origin
            self.column = column
            self.kind = kind
        }
    }

    public typealias Kind = ColumnLineageKind

    /// Influences on all columns of a table together beyond which nobody is told of any: an event that is
    /// reported has some 200 bytes for each.
    public static let mostInfluences = 5000

    /// Whether it is small enough to be told.
    public var isTellable: Bool { columns.reduce(0) { $0 + $1.influences.count } <= Self.mostInfluences }
}

/// Where a column comes from.
public enum LineageOrigin: Hashable, Sendable {
    case asset(AssetName)
    /// Raw files, by the pattern in the manifest.
    case source(pattern: String)
}
