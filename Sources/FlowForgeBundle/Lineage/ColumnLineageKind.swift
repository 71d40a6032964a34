/// `subtype` of a transformation of OpenLineage's ColumnLineageDatasetFacet 1-2-0; the first three are
/// DIRECT, the others INDIRECT.
public enum ColumnLineageKind: String, Hashable, Sendable, Codable, CaseIterable {
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
