internal import FlowForgeDomain
internal import FlowForgeProtocol

extension ManifestReader {
    private static let triggerKinds = ["schedule", "upstream", "asset", "file", "webhook"]

    /// Sorted by name; `nil` for a flow without, so that its canonical JSON stays as it was.
    func triggers(_ flow: YAMLMapping, of name: String) -> [TriggerSpec]? {
        guard flow["triggers"] != nil else { return nil }
        let entries = flow.names("triggers")
        if entries.count > BundleLimits.triggers {
            yaml.report(
                "\(flow.what) has \(entries.count) triggers", hint: "at most \(BundleLimits.triggers) are allowed",
                at: flow.position(of: "triggers"))
        }
        let triggers = entries.prefix(BundleLimits.triggers).compactMap { trigger($0, of: name) }.sorted { $0.name < $1.name }
        return triggers.isEmpty ? nil : triggers
    }

    private func trigger(_ entry: YAMLEntry, of flow: String) -> TriggerSpec? {
        check(entry.key, "trigger", at: entry.position)
        let what = "trigger '\(entry.key.prefix(80))'"
        guard let body = yaml.mapping(entry.value, keys: Self.triggerKinds + ["parameters", "overlap"], of: what) else {
            return nil
        }
        note(.trigger(flow, entry.key), entry.position)
        let given = Self.triggerKinds.filter { body[$0] != nil }
        guard let kind = given.first, given.count == 1 else {
            let found = given.isEmpty ? "none" : given.map { "'\($0)'" }.joined(separator: " and ")
            yaml.report(
                "\(what) needs exactly one of \(Self.triggerKinds.map { "'\($0)'" }.joined(separator: ", ")), and has \(found)",
                hint: "make each a trigger of its own", at: body.position)
            return nil
        }
        note(.triggerPart(flow, entry.key), body.position(of: kind))
        var spec = TriggerSpec(name: entry.key, overlap: body.choice("overlap", TriggerSpec.Overlap.self) ?? .queue)
        for value in body.names("parameters") {
            note(.triggerParameter(flow, entry.key, value.key), value.value.position)
            guard let json = value.value.json, !json.isCollection, json != .null else {
                yaml.wrongType(value.value, "parameter '\(value.key.prefix(80))' of \(what)", "text, a number, true or false")
                continue
            }
            spec.parameters[value.key] = json
        }
        switch kind {
        case "schedule": spec.schedule = body.mapping(kind, keys: Self.scheduleKeys).flatMap(schedule)
        case "upstream": spec.upstream = body.mapping(kind, keys: ["flow", "bundle", "on", "delay"]).flatMap(upstream)
        case "asset": spec.asset = assetUpdate(body)
        case "file": spec.file = body.mapping(kind, keys: ["path", "every"]).flatMap(fileArrival)
        default: spec.webhook = body.mapping(kind, keys: ["parameters"]).map(webhook)
        }
        return spec.kind == .unknown ? nil : spec
    }

    private func upstream(_ body: YAMLMapping) -> UpstreamSpec? {
        let bundle = name(body, "bundle", dashes: true)
        guard let flow = name(body, "flow", required: true) else { return nil }
        return UpstreamSpec(
            bundle: bundle, flow: flow, on: body.choice("on", UpstreamSpec.Condition.self) ?? .success,
            delaySeconds: body.duration("delay", in: 0...7 * 86_400) ?? 0)
    }

    /// The asset's name alone, or a mapping with more.
    private func assetUpdate(_ body: YAMLMapping) -> AssetUpdateSpec? {
        if case .mapping = body["asset"]?.content {
            guard let mapping = body.mapping("asset", keys: ["name", "debounce"]) else { return nil }
            let debounce = mapping.duration("debounce", in: 0...86_400) ?? 0
            return mapping.text("name", required: true).flatMap { asset($0, at: mapping.position(of: "name")) }
                .map { AssetUpdateSpec(name: $0, debounceSeconds: debounce) }
        }
        return body.text("asset").flatMap { asset($0, at: body.position(of: "asset")) }.map { AssetUpdateSpec(name: $0) }
    }

    private func fileArrival(_ body: YAMLMapping) -> FileArrivalSpec? {
        let every = body.duration("every", in: 1...86_400) ?? 30
        guard let path = body.text("path", required: true) else { return nil }
        if path.isEmpty {
            yaml.report("'path' of \(body.what) is empty", hint: "say where the files are", at: body.position(of: "path"))
        }
        return FileArrivalSpec(path: path, everySeconds: every)
    }

    private func webhook(_ body: YAMLMapping) -> WebhookSpec {
        WebhookSpec(parameters: (body.texts("parameters") ?? []).map(\.text))
    }
}

extension JSONValue {
    fileprivate var isCollection: Bool { object != nil || array != nil }
}
