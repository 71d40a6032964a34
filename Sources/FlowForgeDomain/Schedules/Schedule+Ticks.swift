public import Foundation

extension Schedule {
    /// So many ticks, or blackouts full of them, may be refused in a row before a search gives up.
    static let patience = 20_000
    /// The same for when to look again, which is asked while others wait: an answer that is too early
    /// does no harm.
    static let wakePatience = 500

    /// The first instant after `instant` at which the schedule fires, without jitter; `nil` where there is
    /// none within ``horizon``.
    public func next(after instant: Date) -> Date? {
        let after = Instant.second(of: instant)
        return firing(after: after).map { Instant.date($0.at) }
    }

    /// The ticks after `instant` up to the `count`-th that fires, with those between that are skipped;
    /// neighbours that are skipped for the same reason are one item. `id` seeds the jitter.
    public func preview(after instant: Date, count: Int, id: String) -> [Decision] {
        let after = Instant.second(of: instant)
        var walk = Walk(self, after: after)
        var ledger = Ledger()
        var fired = 0
        for _ in 0..<Self.patience {
            guard fired < min(count, Self.patience), let piece = walk.next(through: farthest(from: after)) else { break }
            if piece.skip == nil { fired += 1 }
            ledger.add(piece, due: due(piece, in: walk, id: id), piece.skip.map(Verdict.skip) ?? .fire)
        }
        return ledger.items
    }

    /// The ticks in `(after, through]`, whatever becomes of them; `nil` where there is none.
    public func ticks(after: Date, through: Date) -> (first: Date, last: Date, count: Int)? {
        let (after, through) = (Instant.second(of: after), Instant.second(of: through))
        let timeline = Timeline(self)
        guard let first = timeline.next(after: after, through: through),
            let last = timeline.last(after: after, through: through)
        else { return nil }
        return (Instant.date(first.at), Instant.date(last), timeline.count(after: after, through: through))
    }

    /// Where a search after `after` ends.
    func farthest(from after: Int) -> Int { max(after, start.map(Instant.second(of:)) ?? after) + Self.horizon }

    /// The first tick after `after` that fires.
    func firing(after: Int) -> Timeline.Point? {
        var walk = Walk(self, after: after)
        for _ in 0..<Self.patience {
            guard let piece = walk.next(through: farthest(from: after)) else { return nil }
            if piece.skip == nil { return piece.first }
        }
        return nil
    }

    /// When the piece's first tick fires, jitter included.
    func due(_ piece: Walk.Piece, in walk: Walk, id: String) -> Date {
        let at = piece.first.at
        guard jitterSeconds > 0, piece.skip == nil else { return Instant.date(at) }
        let following = walk.timeline.next(after: at, through: at + jitterSeconds)?.at ?? at + jitterSeconds
        let delay = Jitter.milliseconds(id: id, tick: at, below: (following - at) * 1000)
        guard walk.blackoutEnd(around: at + delay / 1000) == nil else { return Instant.date(at) }
        return Instant.date(at).addingTimeInterval(Double(delay) / 1000)
    }
}
