public import FlowForgeProtocol

/// One check of a task's output, run against the new snapshot before it is published.
public struct CheckSpec: Hashable, Sendable, Codable {
    /// Unique within the task; generated from the kind and column where the manifest gives none.
    public var name: String
    public var severity: Severity
    public var rule: Rule

    public init(name: String, severity: Severity = .fail, rule: Rule) {
        self.name = name
        self.severity = severity
        self.rule = rule
    }

    public enum Rule: Hashable, Sendable, Codable {
        case notNull(column: String)
        /// The columns together; rows with a null in one of them do not count.
        case unique(columns: [String])
        /// Nulls pass.
        case acceptedValues(column: String, values: [JSONValue])
        /// Inclusive; nulls pass. Bounds are numbers, or ISO dates or times as text.
        case range(column: String, minimum: JSONValue?, maximum: JSONValue?)
        /// Of the whole snapshot.
        case rowCount(minimum: Int64?, maximum: Int64?)
        /// Every non-null value is found in `field` of the asset `to`, which must be an input of the task.
        case relationships(column: String, to: AssetName, field: String)
        /// The greatest value of the column is at most `seconds` before the run's time.
        case freshness(column: String, seconds: Double)
        /// A SELECT whose rows are the failures. The snapshot is the view `this`; inputs are there too.
        case sql(query: String)

        /// The manifest's word.
        public var kind: String {
            switch self {
            case .notNull: "not_null"
            case .unique: "unique"
            case .acceptedValues: "accepted_values"
            case .range: "range"
            case .rowCount: "row_count"
            case .relationships: "relationships"
            case .freshness: "freshness"
            case .sql: "sql"
            }
        }
    }
}
