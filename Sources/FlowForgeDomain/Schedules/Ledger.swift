internal import Foundation

/// Decisions in the order of their ticks; neighbours that are skipped for the same reason become one.
struct Ledger {
    private(set) var items: [Decision] = []

    mutating func add(_ piece: Walk.Piece, due: Date, _ verdict: Verdict) {
        let tick = Tick(scheduled: Instant.date(piece.first.at), due: due, clock: piece.first.clock)
        add(Decision(tick, verdict, through: Instant.date(piece.last), count: piece.count))
    }

    mutating func add(_ decision: Decision) {
        if let last = items.last, last.verdict == decision.verdict, !decision.verdict.runs {
            items[items.count - 1].through = decision.through
            items[items.count - 1].count += decision.count
        } else {
            items.append(decision)
        }
    }
}
