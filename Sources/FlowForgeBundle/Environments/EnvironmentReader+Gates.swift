internal import FlowForgeDomain
internal import FlowForgeProtocol

extension EnvironmentReader {
    func protection(_ body: YAMLMapping) -> EnvironmentSpec.Protection {
        .init(requiresPlan: body.boolean("requires_plan") ?? false, gates: body.names("gates").compactMap(gate))
    }

    private func gate(_ entry: YAMLEntry) -> GateSpec? {
        let what = "gate '\(entry.key.prefix(80))'"
        guard let body = yaml.mapping(entry.value, keys: GateSpec.Rule.kinds + ["enforcement", "valid_for"], of: what) else {
            return nil
        }
        let given = GateSpec.Rule.kinds.filter { body[$0] != nil }
        guard let kind = given.first, given.count == 1 else {
            let found = given.isEmpty ? "none" : given.map { "'\($0)'" }.joined(separator: " and ")
            yaml.report(
                "\(what) needs exactly one of \(GateSpec.Rule.kinds.joined(separator: ", ")), and has \(found)",
                hint: "e.g. approval: {count: 1}", at: body.position)
            return nil
        }
        let validFor = body.duration("valid_for", in: 1...365 * 86_400)
        let enforcement = body.choice("enforcement", GateSpec.Enforcement.self) ?? .hard
        return rule(kind, body).map {
            GateSpec(name: entry.key, enforcement: enforcement, validForSeconds: validFor, rule: $0)
        }
    }

    private func rule(_ kind: String, _ body: YAMLMapping) -> GateSpec.Rule? {
        switch kind {
        case "approval":
            settings(body, kind, ["count", "from", "separation_of_duties"]).map { settings in
                .approval(
                    .init(
                        count: settings.integer("count", in: 1...20).map(Int.init) ?? 1,
                        from: (settings.texts("from", single: true) ?? []).map(\.text).sorted(),
                        separationOfDuties: settings.boolean("separation_of_duties") ?? true))
            }
        case "quality":
            settings(body, kind, ["runs", "strict"]).map { settings in
                .quality(
                    .init(
                        runs: settings.integer("runs", in: 1...1000).map(Int.init) ?? 1,
                        strict: settings.boolean("strict") ?? false))
            }
        case "soak":
            body.mapping(kind, keys: ["environment", "for"]).flatMap { settings in
                guard let name = settings.text("environment", required: true),
                    let seconds = settings.duration("for", in: 1...365 * 86_400, required: true)
                else { return nil }
                return .soak(.init(environment: name, seconds: seconds))
            }
        case "data_diff":
            settings(body, kind, ["assets", "max_row_change", "min_key_match", "min_column_match", "allow_schema_change"]).map(
                dataDiff)
        case "residency": settings(body, kind, []).map { _ in .residency }
        case "classification": settings(body, kind, []).map { _ in .classification }
        case "window": settings(body, kind, []).map { _ in .window }
        case "cost":
            body.mapping(kind, keys: ["max_amount", "max_time"]).map { settings in
                .cost(
                    .init(
                        maxAmount: settings.number("max_amount", in: 0...1_000_000_000),
                        maxSeconds: settings.duration("max_time", in: 1...365 * 86_400)))
            }
        case "policy":
            body.mapping(kind, keys: ["deny"]).map { settings in
                .policy(.init(deny: (settings.list("deny", required: true) ?? []).compactMap(denial)))
            }
        default:
            body.mapping(kind, keys: ["url"]).flatMap { settings in
                settings.text("url", required: true).map { .external(.init(url: $0)) }
            }
        }
    }

    /// The settings of a gate that needs none: `quality:` alone is `quality: {}`, as is `quality: true`.
    private func settings(_ body: YAMLMapping, _ kind: String, _ keys: [String]) -> YAMLMapping? {
        guard let node = body[kind] else { return nil }
        if node.isNull || node.json == .bool(true) {
            return YAMLMapping(reader: yaml, what: "'\(kind)' of \(body.what)", position: node.position, entries: [])
        }
        return yaml.mapping(node, keys: keys, of: "'\(kind)' of \(body.what)")
    }

    private func dataDiff(_ settings: YAMLMapping) -> GateSpec.Rule {
        let assets = (settings.texts("assets", single: true) ?? []).compactMap { item -> AssetName? in
            if let asset = AssetName(item.text) { return asset }
            yaml.report(
                "'\(item.text.prefix(80))' is no table", hint: "write bronze., silver. or gold. and a name", at: item.position)
            return nil
        }
        func percent(_ key: String) -> Double? { settings.number(key, in: 0...1_000_000) }
        return .dataDiff(
            .init(
                assets: assets.sorted(), maxRowChange: percent("max_row_change"), minKeyMatch: percent("min_key_match"),
                minColumnMatch: percent("min_column_match"), allowsSchemaChange: settings.boolean("allow_schema_change") ?? false)
        )
    }

    private func denial(_ node: YAMLNode) -> GateSpec.Denial? {
        let keys = ["impact", "subject", "action", "name", "reaches", "message"]
        guard let body = yaml.mapping(node, keys: keys, of: "an item of 'deny'") else { return nil }
        if body.entries.allSatisfy({ $0.key == "message" }) {
            yaml.report(
                "an item of 'deny' says nothing of the changes that it denies", hint: "e.g. impact: breaking", at: body.position)
        }
        let impact = body.choice("impact", Impact.self)
        return .init(
            impact: impact, subject: body.text("subject"), action: body.choice("action", DeniedAction.self)?.rawValue,
            name: body.text("name"), reaches: body.text("reaches"), message: body.text("message"))
    }

    private enum DeniedAction: String, CaseIterable { case added, removed, changed }
}
