public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// Whether what was tried was done.
public enum AuditOutcome: String, Sendable {
    case allowed
    /// The reason is in `detail["code"]`.
    case refused
}

/// The audit trail: append-only, numbered in the order of the commits.
public struct AuditQueries {
    let session: Session

    /// Adds an entry to the operation's own transaction. `action` is `<noun>.<verb>`, e.g. `run.start`;
    /// `subject` the id or name of what was acted on. Never put a secret or a row's value in `detail`. What a
    /// short-lived token did has the token's id as `detail.token`.
    public func append(
        actor: Actor, action: String, subject: String, outcome: AuditOutcome = .allowed, detail: [String: JSONValue] = [:]
    ) throws {
        var detail = detail
        if let token = actor.via { detail["token"] = .string(token.description) }
        try session.change(
            "INSERT INTO audit_entry (at, actor, action, subject, outcome, detail, organisation) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                session.now.milliseconds, actor.description, action, subject, outcome.rawValue, try jsonText(detail),
                session.scope.organisation,
            ])
    }

    /// When the newest entry was written of those that are not younger than `time`. Reads the younger ones: for times
    /// of some days ago.
    public func lastEntry(before time: Date) throws -> Date? {
        try session.row("SELECT at FROM audit_entry WHERE at <= ? ORDER BY number DESC LIMIT 1", [time.milliseconds])?.date("at")
    }

    /// Entries numbered above `after`, oldest first. An organisation sees what its own principals did; who is confined to
    /// projects sees what they did themselves.
    public func list(
        after: Int64 = 0, subject: String? = nil, action: String? = nil, limit: Int
    ) throws -> [OperatorAPI.AuditEntryView] {
        var conditions = ["number > ?"]
        var arguments: [any DatabaseValueConvertible] = [after]
        if let subject { conditions.append("subject = ?"); arguments.append(subject) }
        if let action { conditions.append("action = ?"); arguments.append(action) }
        if let organisation = session.scope.organisation { conditions.append("organisation = ?"); arguments.append(organisation) }
        if !session.scope.isWholeOrganisation { conditions.append("actor = ?"); arguments.append(session.scope.holder ?? "") }
        arguments.append(limit)
        return try Row.fetchAll(
            session.db,
            sql: """
                SELECT number, at, actor, action, subject, outcome, detail FROM audit_entry
                WHERE \(conditions.joined(separator: " AND ")) ORDER BY number LIMIT ?
                """,
            arguments: StatementArguments(arguments)
        ).map { row in
            OperatorAPI.AuditEntryView(
                number: row["number"], at: Date(milliseconds: row["at"]), actor: row["actor"], action: row["action"],
                subject: row["subject"], outcome: row["outcome"], detail: try fromJSON([String: JSONValue].self, row["detail"]))
        }
    }
}

extension Session {
    public var audit: AuditQueries { AuditQueries(session: self) }
}
