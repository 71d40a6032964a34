internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What is left to do of a backfill that is over: ending what a cancelled one has left, and taking its
/// limit away once nothing takes from it. The limit is what says that there is something left; so it
/// does not matter when whoever cancelled it, or the control plane, goes away in between.
struct BackfillEnd {
    let session: Session
    let wakeUps: WakeUps

    /// Runs that one transaction ends.
    static let batch = 20

    /// One step. Whether there may be more to do at once.
    func tidy(_ id: ID<Backfill>, by actor: Actor = .system("backfill")) throws -> Bool {
        guard let row = try session.backfills.find(id), let finishedAt = row.finishedAt else { return false }
        if row.state == .cancelled {
            // What somebody repeated afterwards is meant to run.
            let runs = try session.backfills.runsToCancel(id, madeBy: finishedAt, limit: Self.batch)
            var stager = RunStager(session: session, toleratedLosses: 0)
            for var run in runs { _ = try stager.end(&run, .cancelled, by: actor) }
            try stager.wakes.send(through: wakeUps, in: session)
            if runs.count == Self.batch { return true }
        }
        if try session.backfills.openRuns(id) == 0, try !session.ticks.isWaiting(for: id) {
            _ = try session.limits.remove(.backfill(id.description))
        }
        return false
    }
}
