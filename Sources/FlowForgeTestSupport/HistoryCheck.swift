public import FlowForgeStore
public import Foundation

/// Reads the history of a control plane after its bad day: see ``HistoryQueries``.
public struct HistoryCheck: Error, CustomStringConvertible {
    public let violations: [HistoryQueries.Violation]

    public var description: String {
        "the history cannot be:\n" + violations.map { "  \($0)" }.joined(separator: "\n")
    }

    /// Throws what the history breaks. The control plane may be serving.
    public static func require(_ store: Store) async throws {
        let violations = try await store.read { try $0.history.violations() }
        if !violations.isEmpty { throw HistoryCheck(violations: violations) }
    }

    /// The same for the database file of another process of this build, which may be serving.
    public static func require(database: URL) async throws {
        let store = try Store(path: database.path)
        let result: Result<Void, any Error>
        do { result = .success(try await require(store)) } catch { result = .failure(error) }
        try store.close()
        try result.get()
    }
}
