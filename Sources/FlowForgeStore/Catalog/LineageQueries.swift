public import FlowForgeProtocol
internal import GRDB

extension Session {
    public var lineage: LineageQueries { LineageQueries(session: self) }
}

/// OpenLineage events as agents sent them, and the edges that were read from them.
public struct LineageQueries {
    let session: Session

    public func append(_ event: OpenLineage.RunEvent, attempt: ID<Attempt>, run: ID<Run>) throws {
        try session.change(
            "INSERT INTO lineage_event (run, attempt, type, body) VALUES (?, ?, ?, ?)",
            [run.description, attempt.description, event.eventType.rawValue, try jsonText(event)])
    }

    /// Those numbered above `after`, in the order in which they were stored.
    public func events(
        run: ID<Run>, after: Int64, limit: Int
    ) throws -> [(number: Int64, event: OpenLineage.RunEvent)] {
        try session.rows(
            "SELECT number, body FROM lineage_event WHERE run = ? AND number > ? ORDER BY number LIMIT ?",
            [run.description, after, limit]
        ).map { ($0["number"], try $0.json(OpenLineage.RunEvent.self, "body")) }
    }

    public func newestComplete(of attempt: ID<Attempt>) throws -> OpenLineage.RunEvent? {
        try session.row(
            "SELECT body FROM lineage_event WHERE attempt = ? AND type = 'COMPLETE' ORDER BY number DESC LIMIT 1",
            [attempt.description]
        ).map { try $0.json(OpenLineage.RunEvent.self, "body") }
    }

    /// Makes `edges`, which all lead to `output` or to columns of it, all that is known of its making.
    public func replaceEdges(
        to output: AssetName, environment: String, with edges: [OperatorAPI.LineageEdge], attempt: ID<Attempt>
    ) throws {
        try session.change(
            "DELETE FROM lineage_edge WHERE environment = ? AND output = ?", [environment, output.description])
        for edge in edges {
            try session.change(
                """
                INSERT INTO lineage_edge (environment, output, output_column, input_kind, input, input_column, type,
                    subtype, task, attempt)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    environment, output.description, edge.to.column ?? "", edge.from.kind.rawValue, edge.from.name,
                    edge.from.column ?? "", edge.type, edge.subtype, edge.task, attempt.description,
                ])
        }
    }

    /// The same for a table that points at a snapshot of another environment, which is named with it.
    public func declareEdges(
        to output: AssetName, environment: String, _ edges: [OperatorAPI.LineageEdge], of snapshot: ID<Snapshot>
    ) throws {
        guard let row = try session.row("SELECT attempt FROM snapshot WHERE id = ?", [snapshot.description]) else {
            throw StoreError.conflict("\(snapshot) is no known snapshot of \(output)")
        }
        try replaceEdges(to: output, environment: environment, with: edges, attempt: try row.id("attempt"))
    }

    /// What `node` was made of. For a table: the tables it was made of. For a column: its input
    /// columns, and those that act on all rows of its table, with the column itself as their end.
    public func edges(to node: OperatorAPI.LineageNode, environment: String) throws -> [OperatorAPI.LineageEdge] {
        guard node.kind == .asset else { return [] }
        if let column = node.column {
            return try session.rows(Self.toColumnSQL, [environment, node.name, column]).map { try Self.edge($0, to: node) }
        }
        return try session.rows(Self.toTableSQL, [environment, node.name]).map { try Self.edge($0, to: node) }
    }

    static let toColumnSQL = """
        SELECT * FROM lineage_edge WHERE environment = ?1 AND output = ?2 AND output_column IN (?3, '')
            AND input_column <> '' ORDER BY id
        """
    static let toTableSQL = """
        SELECT * FROM lineage_edge WHERE environment = ? AND output = ? AND output_column = '' AND input_column = ''
        ORDER BY id
        """

    /// What was made of `node`. A column that acts on all rows of a table leads to that table.
    public func edges(from node: OperatorAPI.LineageNode, environment: String) throws -> [OperatorAPI.LineageEdge] {
        try session.rows(Self.fromSQL, [environment, node.name, node.column ?? "", node.kind.rawValue]).map { row in
            let column: String = row["output_column"]
            return try Self.edge(
                row,
                to: OperatorAPI.LineageNode(kind: .asset, name: row["output"], column: column.isEmpty ? nil : column))
        }
    }

    static let fromSQL = """
        SELECT * FROM lineage_edge WHERE environment = ? AND input = ? AND input_column = ? AND input_kind = ?
        ORDER BY id
        """

    private static func edge(_ row: Row, to: OperatorAPI.LineageNode) throws -> OperatorAPI.LineageEdge {
        let column: String = row["input_column"]
        return OperatorAPI.LineageEdge(
            from: OperatorAPI.LineageNode(
                kind: try row.word("input_kind"), name: row["input"], column: column.isEmpty ? nil : column),
            to: to, task: row["task"], type: row["type"], subtype: row["subtype"])
    }
}
