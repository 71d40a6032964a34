internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation

extension ManifestReader {
    static let scheduleKeys = [
        "cron", "every", "anchor", "timezone", "dst", "start", "end", "blackouts", "jitter", "catch_up",
    ]

    func schedule(_ body: YAMLMapping) -> Schedule? {
        let before = yaml.problems.count
        let cadence = cadence(body)
        let zone = body.text("timezone").flatMap { text in
            yaml.checked(body, "timezone") { () throws(ScheduleFault) in try ScheduleZone(text) }
        }
        let dst = body.choice("dst", DSTPolicy.self)
        let (start, end) = (yaml.time(body, "start"), yaml.time(body, "end"))
        let jitter = wholeSeconds(body, "jitter", in: Schedule.jitters)
        let blackouts = (body.list("blackouts") ?? []).compactMap { yaml.blackout($0, of: body) }
        let catchUp = body.mapping("catch_up", keys: ["mode", "window", "max"]).flatMap(catchUp)
        // What was reported would only be said again, less well.
        guard let cadence, yaml.problems.count == before else { return nil }
        return yaml.checked(body, "schedule") { () throws(ScheduleFault) in
            let schedule = try Schedule(
                cadence, zone: zone ?? .utc, dst: dst ?? .once, start: start, end: end, blackouts: blackouts,
                jitterSeconds: jitter ?? 0, catchUp: catchUp ?? .none)
            try schedule.checkBlackouts()
            return schedule
        }
    }

    /// Exactly one of `cron` and `every`; an `anchor` only with `every`.
    private func cadence(_ body: YAMLMapping) -> Schedule.Cadence? {
        switch (body["cron"] != nil, body["every"] != nil) {
        case (true, false):
            if body["anchor"] != nil {
                yaml.report("'anchor' of \(body.what) goes with 'every' only", hint: "remove it", at: body.position(of: "anchor"))
            }
            return body.text("cron").flatMap { text in
                yaml.checked(body, "cron") { () throws(ScheduleFault) in .cron(try CronExpression(text)) }
            }
        case (false, true):
            let anchor = yaml.time(body, "anchor") ?? Date(timeIntervalSince1970: 0)
            return wholeSeconds(body, "every", in: Interval.lengths).flatMap { seconds in
                yaml.checked(body, "every") { () throws(ScheduleFault) in
                    .interval(try Interval(seconds: seconds, anchor: anchor))
                }
            }
        case (let both, _):
            yaml.report(
                "\(body.what) needs exactly one of 'cron' and 'every', and has \(both ? "both" : "none")",
                hint: "e.g. cron: \"0 6 * * MON-FRI\", or every: 15m", at: body.position)
            return nil
        }
    }

    private func catchUp(_ body: YAMLMapping) -> CatchUp? {
        let mode = body.choice("mode", CatchUp.Mode.self, required: true)
        let window = wholeSeconds(body, "window", in: CatchUp.windows)
        let cap = body.integer("max", in: Int64(CatchUp.caps.lowerBound)...Int64(CatchUp.caps.upperBound))
        return mode.flatMap { mode in
            yaml.checked(body, "mode") { () throws(ScheduleFault) in
                try CatchUp(
                    mode, windowSeconds: window ?? CatchUp.none.windowSeconds, cap: cap.map(Int.init) ?? CatchUp.none.cap)
            }
        }
    }

    private func wholeSeconds(_ body: YAMLMapping, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let seconds = body.duration(key, in: Double(range.lowerBound)...Double(range.upperBound)) else { return nil }
        if seconds != seconds.rounded() {
            yaml.report("'\(key)' of \(body.what) has a part of a second", hint: "give whole seconds", at: body.position(of: key))
            return nil
        }
        return Int(seconds)
    }
}
