/// The ticks of a schedule within its start and end, before blackouts, in seconds since 1970.
struct Timeline {
    struct Point: Hashable {
        var at: Int
        var clock: Tick.Clock
        /// What the policy for clock changes says against it.
        var skip: SkipReason?
    }

    /// Longer than any zone's clock has gone back since 1970 (three hours) or forward (a day).
    private static let longestJump = 25 * 3600

    private let cadence: Schedule.Cadence
    private let zone: ScheduleZone
    private let dst: DSTPolicy
    /// The schedule's start and end as seconds; ticks lie in it.
    private let life: ClosedRange<Int>?

    init(_ schedule: Schedule) {
        cadence = schedule.cadence
        zone = schedule.zone
        dst = schedule.dst
        let first = schedule.start.map { Instant.second(rounding: $0) } ?? Instant.range.lowerBound
        let last = schedule.end.map { Instant.second(rounding: $0) - 1 } ?? Instant.range.upperBound
        life = first <= last ? first...last : nil
    }

    /// The first tick in `(after, through]`.
    func next(after: Int, through: Int) -> Point? {
        guard let life else { return nil }
        let (after, through) = (max(after, life.lowerBound - 1), min(through, life.upperBound))
        guard after < through else { return nil }
        switch cadence {
        case .interval(let interval):
            let at = interval.next(after: after)
            return at <= through ? Point(at: at, clock: .plain) : nil
        case .cron(let cron):
            return next(cron, after: after, through: through)
        }
    }

    /// How many ticks are in `(after, through]`.
    func count(after: Int, through: Int) -> Int {
        guard let life else { return 0 }
        let (after, through) = (max(after, life.lowerBound - 1), min(through, life.upperBound))
        guard after < through else { return 0 }
        switch cadence {
        case .interval(let interval): return interval.count(after: after, through: through)
        case .cron(let cron): return count(cron, after: after, through: through)
        }
    }

    /// The last tick in `(after, through]`, which holds at least one.
    func last(after: Int, through: Int) -> Int? {
        var reach = 60
        while true {
            let from = max(after, through - reach)
            if var found = next(after: from, through: through) {
                while let later = next(after: found.at, through: through) { found = later }
                return found.at
            }
            if from == after { return nil }
            reach *= 4
        }
    }

    // MARK: Cron

    /// Walls are searched between two changes of the offset, where they are instants plus a constant.
    private func next(_ cron: CronExpression, after: Int, through: Int) -> Point? {
        var base = after
        var offset = zone.offset(at: base)
        var wall = base + offset
        while true {
            let found = cron.next(afterWall: wall, through: through + offset)
            let reach = found.map { $0 - offset } ?? through
            guard let change = zone.change(after: base, through: reach) else {
                return found.map { point(cron, wall: $0, offset: offset) }
            }
            // A tick at the change's own instant comes from a gap, or from the first wall after it.
            if let gap = gap(cron, at: change) { return gap }
            (base, offset) = (change.at, change.after)
            if cron.matches(wall: base + offset) { return point(cron, wall: base + offset, offset: offset) }
            wall = base + offset
        }
    }

    private func count(_ cron: CronExpression, after: Int, through: Int) -> Int {
        var base = after
        var wall = base + zone.offset(at: base)
        var total = 0
        while let change = zone.change(after: base, through: through) {
            total += cron.count(afterWall: wall, through: change.at - 1 + change.before)
            (base, wall) = (change.at, change.at - 1 + change.after)
            if gap(cron, at: change) != nil, !cron.matches(wall: change.at + change.after) { total += 1 }
        }
        return total + cron.count(afterWall: wall, through: through + zone.offset(at: base))
    }

    /// The tick at the first instant after a gap that leaves times of day out.
    private func gap(_ cron: CronExpression, at change: ScheduleZone.Change) -> Point? {
        let (from, until) = (change.at + change.before, change.at + change.after)
        guard !cron.everyHour, from < until, let first = cron.next(afterWall: from - 1, through: until - 1) else { return nil }
        let count = cron.count(afterWall: from - 1, through: until - 1)
        // The wall may call at this very instant, too; then policy has nothing to say against it.
        let skip: SkipReason? = dst == .skip && !cron.matches(wall: until) ? .gap : nil
        return Point(at: change.at, clock: .gap(from: WallTime(second: first).description, count: count), skip: skip)
    }

    private func point(_ cron: CronExpression, wall: Int, offset: Int) -> Point {
        let at = wall - offset
        let jump = Self.longestJump
        if zone.offset(at: at - jump) != offset, let change = zone.change(after: at - jump, through: at),
            at < change.at + change.before - change.after
        {
            return Point(at: at, clock: .second, skip: cron.everyHour || dst == .both ? nil : .overlap)
        }
        if zone.offset(at: at + jump) != offset, let change = zone.change(after: at, through: at + jump),
            at >= change.at - (change.before - change.after)
        {
            return Point(at: at, clock: .first)
        }
        return Point(at: at, clock: .plain)
    }
}
