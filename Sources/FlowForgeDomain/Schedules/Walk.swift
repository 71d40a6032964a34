/// The ticks of a schedule in order, with what speaks against each before anyone has looked at the time:
/// clock changes and blackouts. What a blackout covers comes as one piece.
struct Walk {
    struct Piece {
        var first: Timeline.Point
        var last: Int
        var count: Int
        var skip: SkipReason?
    }

    let timeline: Timeline
    private let zone: ScheduleZone
    private let blackouts: [Blackout]
    private var position: Int

    init(_ schedule: Schedule, after: Int) {
        timeline = Timeline(schedule)
        zone = schedule.zone
        blackouts = schedule.blackouts
        position = after
    }

    /// The next piece, of which nothing is later than `through`.
    mutating func next(through: Int) -> Piece? {
        guard let point = timeline.next(after: position, through: through) else { return nil }
        if let end = blackoutEnd(around: point.at) {
            let until = min(end - 1, through)
            let count = timeline.count(after: position, through: until)
            let last = count == 1 ? point.at : timeline.last(after: position, through: until) ?? point.at
            position = until
            return Piece(first: point, last: last, count: count, skip: .blackout)
        }
        position = point.at
        return Piece(first: point, last: point.at, count: 1, skip: point.skip)
    }

    /// An instant after `second` up to which everything is blacked out, or `nil` where `second` is not.
    /// A change of the clock ends it early, so that the rest is looked at afresh.
    func blackoutEnd(around second: Int) -> Int? {
        guard !blackouts.isEmpty else { return nil }
        let wall = second + zone.offset(at: second)
        guard let end = blackouts.lazy.compactMap({ $0.end(around: wall) }).max() else { return nil }
        let until = second + end - wall
        return zone.change(after: second, through: until)?.at ?? until
    }
}
