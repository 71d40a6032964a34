internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation
internal import GRDB

extension Session {
    var deadlines: DeadlineQueries { DeadlineQueries(session: self) }
}

/// Stored wall-clock times that something waits for, or whose age decides something.
struct DeadlineQueries {
    let session: Session

    /// Every column that has to follow when the wall clock is set. Records of what happened when
    /// (`created_at`, `finished_at`, the audit trail) do not, nor do times that stand in certificates,
    /// tokens or schedules, which mean the wall clock itself.
    static let columns: [(table: String, column: String, condition: String)] = [
        ("task", "ready_at", "state = 'ready'"),
        ("attempt", "lease_until", "lease_until IS NOT NULL"),
        ("attempt", "leased_at", "lease_until IS NOT NULL"),
        ("attempt", "cancellation_told_at", "lease_until IS NOT NULL AND cancellation_told_at IS NOT NULL"),
        ("attempt", "deadline_at", "lease_until IS NOT NULL"),
        ("run", "deadline_at", "deadline_at IS NOT NULL AND finished_at IS NULL"),
        ("publication", "offer_at", "offer_at IS NOT NULL"),
        ("file_watch", "until", "until IS NOT NULL"),
        ("inquiry", "lease_until", "lease_until IS NOT NULL"),
        ("inquiry", "deadline_at", "state IN ('asked', 'taken')"),
        ("tick", "due_at", "outcome = 'waiting'"),
        ("agent", "last_poll_at", "last_poll_at IS NOT NULL"),
        ("agent_deafness", "leased_at", "true"),
        ("agent_deafness", "probe_at", "probe_at IS NOT NULL"),
        ("gate_call", "next_at", "state = 'open'"),
        ("promotion", "step_since", "state = 'applying'"),
    ]

    /// Moves all of them by the step, and says so in the audit trail.
    func follow(_ step: WallClockWatch.Step) throws {
        let milliseconds = Int64((step.seconds * 1000).rounded())
        for (table, column, condition) in Self.columns {
            try session.change("UPDATE \(table) SET \(column) = \(column) + ? WHERE \(condition)", [milliseconds])
        }
        try session.audit.append(
            actor: .system("control-plane"), action: "clock.step", subject: "control-plane",
            detail: ["milliseconds": .integer(milliseconds)])
    }
}
