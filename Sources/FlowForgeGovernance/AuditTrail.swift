public import FlowForgeProtocol
public import FlowForgeStore

/// Who did what, and what was refused to whom; append-only.
public struct AuditTrail: Sendable {
    private let store: Store

    public init(store: Store) { self.store = store }

    /// Oldest first, from behind `after` (an entry's number).
    public func list(
        after: String? = nil, subject: String? = nil, action: String? = nil, limit: Int = 100
    ) async throws -> OperatorAPI.Page<OperatorAPI.AuditEntryView> {
        guard let number = Int64(after ?? "0"), number >= 0 else {
            throw APIError(
                .invalidRequest, "'\((after ?? "").prefix(64))' is not where a page of the audit trail ends",
                hint: "pass the `next` of the page before as `after`")
        }
        let entries = try await store.read {
            try $0.audit.list(after: number, subject: subject, action: action, limit: limit + 1)
        }
        let shown = Array(entries.prefix(limit))
        return OperatorAPI.Page(items: shown, next: entries.count > limit ? shown.last.map { String($0.number) } : nil)
    }
}
