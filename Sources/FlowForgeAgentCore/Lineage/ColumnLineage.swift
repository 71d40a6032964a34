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
        public var origin: InputFacts.Origin
        public var column: String
        public var kind: Kind

        public init(origin: InputFacts.Origin, column: String, kind: Kind) {
            self.origin = origin
            self.column = column
            self.kind = kind
        }
    }

    /// `subtype` of a transformation; the first three are DIRECT, the others INDIRECT.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case identity = "IDENTITY"
        case transformation = "TRANSFORMATION"
        case aggregation = "AGGREGATION"
        case join = "JOIN"
        case groupBy = "GROUP_BY"
        case filter = "FILTER"
        case sort = "SORT"
        case window = "WINDOW"
        case conditional = "CONDITIONAL"

        public var isDirect: Bool { self == .identity || self == .transformation || self == .aggregation }
    }
}
