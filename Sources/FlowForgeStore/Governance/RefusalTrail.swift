public import FlowForgeDomain
public import FlowForgeProtocol
internal import Foundation
public import Logging
internal import Synchronization

/// Writes down what was refused: one log line and one audit entry each.
///
/// Anyone who reaches a port can cause refusals, so at most `perMinute` of them are written to the
/// audit trail; those beyond are logged and counted, and the next entry carries the count as
/// `detail.unrecorded`.
public final class RefusalTrail: Sendable {
    private struct Window {
        var start = Date.distantPast
        var written = 0
        var unrecorded: Int64 = 0
    }

    private let store: Store
    private let logger: Logger
    private let perMinute: Int
    private let window = Mutex(Window())

    public init(store: Store, logger: Logger, perMinute: Int = 600) {
        self.store = store
        self.logger = logger
        self.perMinute = perMinute
    }

    /// Never throws: that the trail cannot be written is logged and does not change the refusal.
    public func record(actor: Actor, action: String, subject: String, error: APIError) async {
        logger.notice(
            "refused",
            metadata: [
                "actor": "\(actor)", "action": "\(action)", "subject": "\(subject)", "code": "\(error.code.rawValue)",
                "reason": "\(error.message)",
            ])
        guard let unrecorded = admit() else { return }
        var detail: [String: JSONValue] = ["code": .string(error.code.rawValue), "message": .string(error.message)]
        if unrecorded > 0 { detail["unrecorded"] = .integer(unrecorded) }
        let entry = detail
        do {
            try await store.write { session in
                try session.audit.append(actor: actor, action: action, subject: subject, outcome: .refused, detail: entry)
            }
        } catch {
            logger.error("a refusal could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
    }

    /// How many went unrecorded before this one; `nil` when this one must not be written either.
    private func admit() -> Int64? {
        let now = store.now()
        return window.withLock { window in
            if now.timeIntervalSince(window.start) >= 60 {
                window.start = now
                window.written = 0
            }
            guard window.written < perMinute else {
                window.unrecorded += 1
                return nil
            }
            window.written += 1
            defer { window.unrecorded = 0 }
            return window.unrecorded
        }
    }
}
