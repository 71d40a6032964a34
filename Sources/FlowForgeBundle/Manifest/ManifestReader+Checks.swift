internal import FlowForgeDomain
internal import FlowForgeProtocol

extension ManifestReader {
    private static let kinds = [
        "not_null", "unique", "accepted_values", "range", "row_count", "relationships", "freshness", "sql",
    ]
    private static let common = ["name", "severity"]

    func checks(_ body: YAMLMapping, of flow: String, task: String) -> [CheckSpec] {
        var checks: [CheckSpec] = []
        for item in body.list("checks") ?? [] {
            guard let mapping = yaml.mapping(item, keys: Self.kinds, of: "a check of \(body.what)") else { continue }
            guard mapping.entries.count == 1, let kind = mapping.entries.first?.key, Self.kinds.contains(kind) else {
                if mapping.entries.count != 1 {
                    yaml.report(
                        "a check of \(body.what) has \(mapping.entries.count) kinds",
                        hint: "start each check with '-' and one of \(Self.kinds.joined(separator: ", "))", at: item.position)
                }
                continue
            }
            for check in self.checks(kind, mapping, "'\(kind)' of \(body.what)") {
                if checks.contains(where: { $0.name == check.name }) {
                    yaml.report(
                        "two checks of \(body.what) are named '\(check.name)'", hint: "give one of them another 'name'",
                        at: item.position)
                }
                note(.item(flow, task, "checks", checks.count), item.position)
                checks.append(check)
            }
        }
        return checks
    }

    private func checks(_ kind: String, _ item: YAMLMapping, _ what: String) -> [CheckSpec] {
        switch kind {
        case "not_null": notNull(item, what)
        case "unique": unique(item, what)
        case "accepted_values": one(item, kind, ["column", "values"]) { acceptedValues($0) }
        case "range": one(item, kind, ["column", "min", "max"]) { range($0) }
        case "row_count": one(item, kind, ["min", "max"]) { rowCount($0) }
        case "relationships": one(item, kind, ["column", "to", "field"]) { relationships($0) }
        case "freshness": one(item, kind, ["column", "max_age"]) { freshness($0) }
        default: one(item, kind, ["query"]) { custom($0) }
        }
    }

    /// A column, a list of them (one check for each), or a mapping with a column and more.
    private func notNull(_ item: YAMLMapping, _ what: String) -> [CheckSpec] {
        if case .mapping = item["not_null"]?.content {
            return one(item, "not_null", ["column"]) { column($0).map { .notNull(column: $0) } }
        }
        return columns(item, "not_null", required: true).map { named(.notNull(column: $0)) }
    }

    /// A column, a list of them (together one check), or a mapping with `columns` and more.
    private func unique(_ item: YAMLMapping, _ what: String) -> [CheckSpec] {
        func rule(_ columns: [String]) -> CheckSpec.Rule? { columns.isEmpty ? nil : .unique(columns: columns) }
        if case .mapping = item["unique"]?.content {
            return one(item, "unique", ["columns"]) { rule(columns($0, "columns", required: true)) }
        }
        if item["unique"]?.content == .sequence([]) {
            yaml.report("\(what) names no column", hint: "e.g. [flight_id]", at: item.position(of: "unique"))
        }
        return rule(columns(item, "unique", required: true)).map { [named($0)] } ?? []
    }

    /// A check in its long form. A custom one must have a name.
    private func one(
        _ item: YAMLMapping, _ kind: String, _ keys: [String], _ rule: (YAMLMapping) -> CheckSpec.Rule?
    ) -> [CheckSpec] {
        guard let body = item.mapping(kind, keys: keys + Self.common, required: true) else { return [] }
        let name = self.name(body, "name", dashes: true, required: kind == "sql")
        let severity = body.choice("severity", Severity.self) ?? .fail
        guard let rule = rule(body) else { return [] }
        return [CheckSpec(name: name ?? generatedName(rule), severity: severity, rule: rule)]
    }

    private func named(_ rule: CheckSpec.Rule) -> CheckSpec { CheckSpec(name: generatedName(rule), rule: rule) }

    /// e.g. `not_null(flight_id)`
    private func generatedName(_ rule: CheckSpec.Rule) -> String {
        switch rule {
        case .notNull(let column), .acceptedValues(let column, _), .range(let column, _, _), .freshness(let column, _):
            "\(rule.kind)(\(column))"
        case .unique(let columns): "unique(\(columns.joined(separator: ", ")))"
        case .relationships(let column, let to, _): "relationships(\(column), \(to))"
        case .rowCount, .sql: rule.kind
        }
    }

    private func column(_ body: YAMLMapping) -> String? {
        body.text("column", required: true).flatMap { column($0, at: body.position(of: "column")) }
    }

    private func acceptedValues(_ body: YAMLMapping) -> CheckSpec.Rule? {
        let column = column(body)
        guard let items = body.list("values", required: true) else { return nil }
        if items.isEmpty {
            yaml.report("\(body.what) accepts no value", hint: "list at least one", at: body.position(of: "values"))
        }
        let values = items.compactMap { item -> JSONValue? in
            switch item.json {
            case .string?, .integer?, .number?, .bool?: return item.json
            default:
                yaml.wrongType(item, "a value of \(body.what)", "text, a number, or true or false (nulls always pass)")
                return nil
            }
        }
        return column.map { .acceptedValues(column: $0, values: values) }
    }

    private func range(_ body: YAMLMapping) -> CheckSpec.Rule? {
        let column = column(body)
        let minimum = bound(body, "min")
        let maximum = bound(body, "max")
        requireOne(body)
        if let minimum, let maximum {
            let isOrdered: Bool
            switch (minimum.number, maximum.number, minimum.string, maximum.string) {
            case (let low?, let high?, _, _): isOrdered = low <= high
            case (_, _, let low?, let high?): isOrdered = low <= high
            default: isOrdered = false
            }
            if !isOrdered {
                yaml.report(
                    "'min' of \(body.what) is not below 'max'", hint: "both are numbers, or both dates, and nothing lies between",
                    at: body.position(of: "min"))
            }
        }
        return column.map { .range(column: $0, minimum: minimum, maximum: maximum) }
    }

    private func bound(_ body: YAMLMapping, _ key: String) -> JSONValue? {
        guard let node = body.value(key) else { return nil }
        switch node.json {
        case .integer?, .number?: return node.json
        case .string(let text)? where ISOTime.isDate(text) || ISOTime.isTimestamp(text): return node.json
        default:
            yaml.wrongType(node, "'\(key)' of \(body.what)", "a number, a date (2013-01-31) or a time (2013-01-31T10:00:00Z)")
            return nil
        }
    }

    private func rowCount(_ body: YAMLMapping) -> CheckSpec.Rule? {
        let minimum = body.integer("min", in: 0...Int64.max)
        let maximum = body.integer("max", in: 0...Int64.max)
        requireOne(body)
        if let minimum, let maximum, minimum > maximum {
            yaml.report("'min' of \(body.what) is above 'max'", hint: "exchange them", at: body.position(of: "min"))
        }
        return .rowCount(minimum: minimum, maximum: maximum)
    }

    private func requireOne(_ body: YAMLMapping) {
        if body["min"] == nil, body["max"] == nil {
            yaml.report("\(body.what) has neither 'min' nor 'max'", hint: "give at least one", at: body.position)
        }
    }

    private func relationships(_ body: YAMLMapping) -> CheckSpec.Rule? {
        let column = column(body)
        let to = body.text("to", required: true).flatMap { asset($0, at: body.position(of: "to")) }
        let field = body.text("field", required: true).flatMap { self.column($0, at: body.position(of: "field")) }
        guard let column, let to, let field else { return nil }
        return .relationships(column: column, to: to, field: field)
    }

    private func freshness(_ body: YAMLMapping) -> CheckSpec.Rule? {
        let column = column(body)
        let seconds = body.duration("max_age", in: 1...100_000 * 86_400, required: true)
        guard let column, let seconds else { return nil }
        return .freshness(column: column, seconds: seconds)
    }

    private func custom(_ body: YAMLMapping) -> CheckSpec.Rule? {
        body.text("query", required: true).map { .sql(query: $0) }
    }
}
