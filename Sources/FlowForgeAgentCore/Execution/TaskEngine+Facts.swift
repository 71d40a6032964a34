public import FlowForgeBundle
public import FlowForgeProtocol

/// What an engine learnt of a task besides its figures; the raw material of lineage events.
public struct TaskFacts: Sendable {
    public var inputs: [InputFacts]
    public var columnLineage: ColumnLineage?

    public init(inputs: [InputFacts] = [], columnLineage: ColumnLineage? = nil) {
        self.inputs = inputs
        self.columnLineage = columnLineage
    }
}

/// Something that a task read.
public struct InputFacts: Sendable {
    public typealias Origin = LineageOrigin

    public var origin: Origin
    public var schema: [ColumnSchema]
    public var rows: Int64
    public var bytes: Int64
    public var files: Int
    /// The snapshot that was read.
    public var snapshot: ID<Snapshot>?

    public init(
        origin: Origin, schema: [ColumnSchema] = [], rows: Int64 = 0, bytes: Int64 = 0, files: Int = 0,
        snapshot: ID<Snapshot>? = nil
    ) {
        self.origin = origin
        self.schema = schema
        self.rows = rows
        self.bytes = bytes
        self.files = files
        self.snapshot = snapshot
    }
}
