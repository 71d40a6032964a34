public import Foundation

/// A DuckDB that can be asked about SQL. It never sees data.
public protocol SchemaEngine: Sendable {
    /// A folder that it may write to, gone when nobody asks any more.
    var folder: URL { get }

    /// Runs statements in a fresh process, going on after one that fails. Gives the rows as lines of
    /// JSON and what was written to standard error.
    func run(_ script: String) async throws -> (rows: Data, errors: String)
}
