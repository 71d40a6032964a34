public import Foundation

extension Schedule {
    /// How many ticks ``decide(since:until:id:paused:)`` looks at one by one; older ones are counted.
    public static let mostLookedAt = 10_000

    /// What becomes of every tick that is due by `now` and not yet decided.
    ///
    /// `since` is the ``Decisions/through`` of the decision before, or the instant from which the schedule
    /// holds. The result depends on nothing but the arguments; nothing is decided twice and nothing left
    /// out when each call begins where the one before ended. A clock set back decides nothing.
    ///
    /// What speaks against a tick is asked in this order: blackout, clock change, pause, lateness. Where
    /// more than ``mostLookedAt`` ticks are open, the oldest are counted and skipped as one for what
    /// their age says, blackouts or not: at most two items.
    ///
    /// - Parameters:
    ///   - id: seeds the jitter; the same for all calls for one schedule.
    ///   - paused: the schedule was paused all the time between `since` and `now`.
    ///   - attended: since when somebody has been there without a break to fire ticks. What was due after it
    ///     is on time for ``onTimeWhenAttended``. Nobody was before `now`, unless given.
    ///   - early: ticks are decided that jitter still holds back, too.
    public func decide(
        since: Date, until now: Date, id: String, paused: Bool = false, attended: Date? = nil, early: Bool = false
    ) -> Decisions {
        let from = Instant.second(of: since)
        let through = Instant.second(of: now)
        var ledger = Ledger()
        var reached = max(from, through)
        if from < through {
            let start = lookFrom(from, through)
            countOnly(after: from, through: start, now: through, paused: paused, into: &ledger)
            let look = Look(now: now, id: id, paused: paused, attended: attended ?? now, early: early)
            reached = self.look(look, after: start, through: through, into: &ledger)
        }
        return Decisions(
            items: ledger.items, through: reached == max(from, through) ? max(since, now) : Instant.date(reached),
            next: wake(after: reached, id: id))
    }

    /// The instant from which on ticks are looked at one by one; a tick itself where it is not `from`.
    private func lookFrom(_ from: Int, _ through: Int) -> Int {
        let timeline = Timeline(self)
        guard timeline.count(after: from, through: through) > Self.mostLookedAt else { return from }
        var (low, high) = (from, through)
        while high - low > 1 {
            let middle = (low + high) / 2
            if timeline.count(after: middle, through: through) > Self.mostLookedAt { low = middle } else { high = middle }
        }
        return high
    }

    /// Ticks in `(after, through]`, of which `through` is one, too many to be looked at.
    private func countOnly(after: Int, through: Int, now: Int, paused: Bool, into ledger: inout Ledger) {
        let timeline = Timeline(self)
        let parts: [(Int, Int, SkipReason)]
        if paused {
            parts = [(after, through, .paused)]
        } else if catchUp.mode == .none {
            parts = [(after, through, .missed)]
        } else {
            let edge = min(max(after, now - catchUp.windowSeconds), through)
            parts = [(after, edge, .window), (edge, through, catchUp.mode == .last ? .superseded : .cap)]
        }
        for (from, until, reason) in parts {
            let count = timeline.count(after: from, through: until)
            guard count > 0, let first = timeline.next(after: from, through: until),
                let last = timeline.last(after: from, through: until)
            else { continue }
            let tick = Tick(scheduled: Instant.date(first.at), due: Instant.date(first.at), clock: first.clock)
            ledger.add(Decision(tick, .skip(reason), through: Instant.date(last), count: count))
        }
    }

    /// With what eyes ticks are looked at one by one.
    private struct Look {
        var now: Date
        var id: String
        var paused: Bool
        var attended: Date
        var early: Bool

        /// Lateness counts from when somebody could first have seen that the tick was due.
        func isOnTime(_ due: Date) -> Bool {
            min(now, max(due, attended)).timeIntervalSince(due) <= Double(Schedule.onTime)
                && now.timeIntervalSince(due) <= Double(Schedule.onTimeWhenAttended)
        }
    }

    /// Returns the second up to which everything is decided.
    private func look(_ look: Look, after: Int, through: Int, into ledger: inout Ledger) -> Int {
        var walk = Walk(self, after: after)
        var open: [(piece: Walk.Piece, due: Date, verdict: Verdict?)] = []
        var reached = through
        while let piece = walk.next(through: through) {
            let due = due(piece, in: walk, id: look.id)
            if due > look.now, !look.early {
                reached = piece.first.at - 1
                break
            }
            let verdict: Verdict? =
                if let skip = piece.skip {
                    .skip(skip)
                } else if look.paused {
                    .skip(.paused)
                } else if look.isOnTime(due) {
                    .fire
                } else {
                    nil
                }
            open.append((piece, due, verdict))
        }
        // Newest first: those that catch-up wants are the newest.
        var left = catchUp.mode == .all ? catchUp.cap : catchUp.mode == .last ? 1 : 0
        if catchUp.mode == .last, open.contains(where: { $0.verdict == .fire }) { left = 0 }
        for index in open.indices.reversed() where open[index].verdict == nil {
            open[index].verdict = late(open[index].piece.first.at, now: through, left: &left)
        }
        for (piece, due, verdict) in open { ledger.add(piece, due: due, verdict ?? .skip(.missed)) }
        return reached
    }

    private func late(_ tick: Int, now: Int, left: inout Int) -> Verdict {
        if catchUp.mode == .none { return .skip(.missed) }
        if tick <= now - catchUp.windowSeconds { return .skip(.window) }
        guard left > 0 else { return .skip(catchUp.mode == .last ? .superseded : .cap) }
        left -= 1
        return .caughtUp
    }

    /// The next tick that fires; where ``wakePatience`` does not reach one, the last that was looked at.
    private func wake(after: Int, id: String) -> Date? {
        var walk = Walk(self, after: after)
        var last: Walk.Piece?
        for _ in 0..<Self.wakePatience {
            guard let piece = walk.next(through: farthest(from: after)) else { break }
            if piece.skip == nil { return due(piece, in: walk, id: id) }
            last = piece
        }
        return last.map { Instant.date($0.last) }
    }
}
