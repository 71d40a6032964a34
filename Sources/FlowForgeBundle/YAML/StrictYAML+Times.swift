internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation

/// Moments and periods, as schedules and change windows are written.
extension StrictYAML {
    /// A period of the wall clock: weekly, once, or whole days. `keys` may be there besides.
    func blackout(_ node: YAMLNode, of body: YAMLMapping, as word: String = "blackout", keys: [String] = []) -> Blackout? {
        guard let item = mapping(node, keys: ["days", "from", "until", "through"] + keys, of: "a \(word) of \(body.what)"),
            let from = item.text("from", required: true)
        else { return nil }
        let days = item.texts("days")?.map(\.text)
        if let through = item.text("through") {
            if item["until"] != nil || days != nil {
                report("\(item.what) has 'through' and more", hint: "'through' goes with 'from' alone", at: item.position)
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

    func time(_ body: YAMLMapping, _ key: String) -> Date? {
        guard let text = body.text(key) else { return nil }
        if ParameterType.timestamp.converting(.string(text)) != nil, let time = WireCoding.time(text) { return time }
        report(
            "'\(key)' of \(body.what) must be \(ParameterType.timestamp.form), not '\(text.prefix(40))'",
            hint: "with Z or an offset such as +01:00", at: body.position(of: key))
        return nil
    }

    func checked<Value>(
        _ body: YAMLMapping, _ key: String, _ make: () throws(ScheduleFault) -> Value
    ) -> Value? {
        do { return try make() } catch {
            let found = error.found.isEmpty ? "" : " '\(error.found)'"
            report(
                "\(body.what): \(error.part)\(found) \(error.problem)", hint: error.hint ?? "see docs/triggers.md",
                at: body.position(of: key))
            return nil
        }
    }
}
