import FlowForgeProtocol
import Foundation
import GRDB

@testable import FlowForgeStore

/// Ways to break the system on purpose, where the simulation can reach: each must be found out.
enum Sabotage: String, CaseIterable, Sendable {
    /// The control plane acknowledges reports that it threw away.
    case acknowledgesWithoutStoring
    /// A report under a lease that was taken back is worked on as if the lease were current.
    case acceptsStaleLeases
    /// Polls do not prolong the leases that they list.
    case forgetsToRenew
    /// Nobody is woken when tasks become ready.
    case losesWakeUps
    /// What agents sync is not on the disk.
    case doesNotSync
    /// Leases that lapsed stay where they are.
    case neverTakesBack
    /// The fencing number goes back when the control plane starts.
    case reusesFencing
    /// A run that was asked for twice under one key is started twice.
    case ignoresIdempotencyKeys
}

extension Session {
    /// Makes the attempt's lost lease current again, in the place of whoever has the task now.
    func resurrect(_ attempt: ID<Attempt>) throws {
        guard let row = try row("SELECT task FROM attempt WHERE id = ? AND state = 'lost'", [attempt.description]) else { return }
        let task: Int64 = row["task"]
        let changed = try change(
            "UPDATE attempt SET state = 'lost', lease_until = NULL, finished_at = 0 WHERE task = ? AND lease_until IS NOT NULL",
            [task])
        guard changed == 1 else { return }
        try change(
            "UPDATE attempt SET state = 'running', lease_until = ?, finished_at = NULL WHERE id = ?",
            [now.milliseconds + 60_000, attempt.description])
    }

    func setFencingBack() throws { try change("UPDATE fencing SET last = max(0, last - 2)") }
}
