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
            checked(body, "timezone") { () throws(ScheduleFault) in try ScheduleZone(text) }
        }
        let dst = body.choice("dst", DSTPolicy.self)
        let (start, end) = (time(body, "start"), time(body, "end"))
        let jitter = wholeSeconds(body, "jitter", in: Schedule.jitters)
        let blackouts = (body.list("blackouts") ?? []).compactMap { blackout($0, of: body) }
        let catchUp = body.mapping("catch_up", keys: ["mode", "window", "max"]).flatMap(catchUp)
        // What was reported would only be said again, less well.
        guard let cadence, yaml.problems.count == before else { return nil }
        return checked(body, "schedule") { () throws(ScheduleFault) in
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
                checked(body, "cron") { () throws(ScheduleFault) in .cron(try CronExpression(text)) }
            }
        case (false, true):
            let anchor = time(body, "anchor") ?? Date(timeIntervalSince1970: 0)
            return wholeSeconds(body, "every", in: Interval.lengths).flatMap { seconds in
                checked(body, "every") { () throws(ScheduleFault) in .interval(try Interval(seconds: seconds, anchor: anchor)) }
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
            checked(body, "mode") { () throws(ScheduleFault) in
                try CatchUp(
                    mode, windowSeconds: window ?? CatchUp.none.windowSeconds, cap: cap.map(Int.init) ?? CatchUp.none.cap)
            }
        }
    }

    private func blackout(_ node: YAMLNode, of body: YAMLMapping) -> Blackout? {
        guard let item = yaml.mapping(node, keys: ["days", "from", "until", "through"], of: "a blackout of \(body.what)"),
            let from = item.text("from", required: true)
        else { return nil }
        let days = item.texts("days")?.map(\.text)
        if let through = item.text("through") {
            if item["until"] != nil || days != nil {
                yaml.report("\(item.what) has 'through' and more", hint: "'through' goes with 'from' alone", at: item.position)
                return nil
            }
            return checked(item, "through") { () throws(ScheduleFault) in try .dates(from: from, through: through) }
        }
        guard let until = item.text("until", required: true) else { return nil }
        return checked(item, "from") { () throws(ScheduleFault) in
            if from.utf8.count == 5 { return try .weekly(days: days ?? [], from: from, until: until) }
            guard days == nil else {
                throw ScheduleFault("blackout", found: from, "is no time of day", hint: "with 'days', write 22:00")
            }
            return try .period(from: from, until: until)
        }
    }

    private func time(_ body: YAMLMapping, _ key: String) -> Date? {
        guard let text = body.text(key) else { return nil }
        if ParameterType.timestamp.converting(.string(text)) != nil, let time = WireCoding.time(text) { return time }
        yaml.report(
            "'\(key)' of \(body.what) must be \(ParameterType.timestamp.form), not '\(text.prefix(40))'",
            hint: "with Z or an offset such as +01:00", at: body.position(of: key))
        return nil
    }

    private func wholeSeconds(_ body: YAMLMapping, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let seconds = body.duration(key, in: Double(range.lowerBound)...Double(range.upperBound)) else { return nil }
        if seconds != seconds.rounded() {
            yaml.report("'\(key)' of \(body.what) has a part of a second", hint: "give whole seconds", at: body.position(of: key))
            return nil
        }
        return Int(seconds)
    }

    private func checked<Value>(
        _ body: YAMLMapping, _ key: String, _ make: () throws(ScheduleFault) -> Value
    ) -> Value? {
        do { return try make() } catch {
            let found = error.found.isEmpty ? "" : " '\(error.found)'"
            yaml.report(
                "\(body.what): \(error.part)\(found) \(error.problem)", hint: error.hint ?? "see docs/triggers.md",
                at: body.position(of: key))
            return nil
        }
    }
}
