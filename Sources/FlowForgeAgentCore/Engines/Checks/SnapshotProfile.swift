import FlowForgeProtocol

/// One scan over a staged snapshot (the view `this`) that measures its columns and everything that
/// row-level checks need.
struct SnapshotProfile: Sendable {
    private var expressions: [String] = []
    private var values: [String: JSONValue] = [:]

    /// Adds an aggregate; returns the key under which ``integer(_:)`` and the others find its value.
    mutating func add(_ aggregate: String) -> String {
        let key = "m\(expressions.count)"
        expressions.append("\(aggregate) AS \(key)")
        return key
    }

    mutating func run(in session: DuckDBSession) async throws {
        let row = try await session.row(
            [String: JSONValue].self, "SELECT count(*) AS n\(expressions.map { ", \($0)" }.joined()) FROM this")
        values = row
    }

    var rows: Int64 { integer("n") ?? 0 }

    /// DuckDB prints integers beyond 64 bits, and decimals, as text.
    func integer(_ key: String) -> Int64? { values[key]?.integer ?? values[key]?.string.flatMap { Int64($0) } }
    func number(_ key: String) -> Double? { values[key]?.number ?? values[key]?.string.flatMap { Double($0) } }
    func text(_ key: String) -> String? { values[key]?.string }
    func flag(_ key: String) -> Bool? { values[key]?.bool }
}
