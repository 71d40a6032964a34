public import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation

/// Reads an environment file. Everything that is wrong is found in one go, with line and column; what
/// concerns several fields is checked by ``EnvironmentSpec/faults()``, here and by the control plane.
/// docs/environments.md is the reference.
public final class EnvironmentReader {
    let yaml: StrictYAML
    private let now: Date
    private let read: (String) throws -> Data

    private init(file: String, now: Date, read: @escaping (String) throws -> Data) {
        yaml = StrictYAML(file: file)
        self.now = now
        self.read = read
    }

    static let keys = [
        "environment", "upstream", "regions", "residency", "classification", "pool", "pools", "mode", "config", "credentials",
        "storage", "protection", "windows", "rate", "expires",
    ]

    /// The environment that `file` declares. `read` gives the bytes of a file of default values, by its path as
    /// the environment file says it; `now` is what a duration under `expires` is added to.
    public static func read(
        _ contents: Data, file: String, now: Date, defaults read: @escaping (String) throws -> Data
    ) throws(Problems) -> EnvironmentSpec {
        let reader = EnvironmentReader(file: file, now: now, read: read)
        var nested: [Problem] = []
        guard let node = reader.yaml.parse(contents), let root = reader.yaml.mapping(node, keys: keys, of: "the environment file")
        else { throw Problems(reader.yaml.problems) }
        let spec = reader.spec(root, &nested)
        if reader.yaml.problems.isEmpty, nested.isEmpty, let spec {
            for fault in spec.faults() {
                reader.yaml.report(
                    "\(fault)", hint: fault.hint, at: root.position(of: String(fault.field.prefix { $0 != "." && $0 != "[" })))
            }
        }
        let problems = reader.yaml.problems + nested
        guard let spec, problems.isEmpty else { throw Problems(problems) }
        return spec
    }

    private func spec(_ root: YAMLMapping, _ nested: inout [Problem]) -> EnvironmentSpec? {
        let head = root.mapping("environment", keys: ["name", "project", "description", "tier"], required: true)
        let name = head?.text("name", required: true)
        let pool = root.text("pool", required: true)
        let upstream = (root.list("upstream") ?? []).compactMap(upstream)
        let config = root.mapping("config", keys: ["defaults", "values"]).map { layers($0, &nested) } ?? []
        let protection = root.mapping("protection", keys: ["requires_plan", "gates"]).map(protection)
        let windows = root.mapping("windows", keys: ["timezone", "open", "freezes"]).map(windows)
        let rate = root.mapping("rate", keys: ["per_hour", "currency"]).flatMap(rate)
        let spec = EnvironmentSpec(
            name: name ?? "", description: head?.text("description") ?? "", tier: head?.text("tier") ?? "dev", upstream: upstream,
            regions: (root.texts("regions", single: true) ?? []).map(\.text), residency: root.text("residency"),
            classification: root.choice("classification", DataClass.self), pool: pool ?? "", config: config,
            credentials: texts(root, "credentials"), storage: texts(root, "storage"), protection: protection ?? .init(),
            windows: windows, rate: rate, mode: root.choice("mode", ReleaseMode.self) ?? .physical,
            expiresAt: root["expires"] == nil ? nil : expiry(root),
            project: head?.text("project").flatMap { $0 == FlowForgeDomain.Scope.defaultName ? nil : $0 },
            pools: texts(root, "pools"))
        return name == nil || pool == nil ? nil : spec
    }

    private func upstream(_ node: YAMLNode) -> EnvironmentSpec.Upstream? {
        if case .scalar = node.content {
            return yaml.text(node, "an upstream").map { EnvironmentSpec.Upstream(environment: $0) }
        }
        guard let body = yaml.mapping(node, keys: ["environment", "soak"], of: "an upstream"),
            let name = body.text("environment", required: true)
        else { return nil }
        return .init(environment: name, soakSeconds: body.duration("soak", in: 0...365 * 86_400) ?? 0)
    }

    private func texts(_ root: YAMLMapping, _ key: String) -> [String: String] {
        root.names(key).reduce(into: [:]) { texts, entry in
            texts[entry.key] = yaml.text(entry.value, "'\(entry.key.prefix(80))' of '\(key)'")
        }
    }

    private func expiry(_ root: YAMLMapping) -> Date? {
        guard let text = root.text("expires") else { return nil }
        if let seconds = Quantity.seconds(text), seconds > 0 { return now + seconds }
        return yaml.time(root, "expires")
    }

    private func rate(_ body: YAMLMapping) -> EnvironmentSpec.Rate? {
        guard let perHour = body.number("per_hour", in: 0...1_000_000), let currency = body.text("currency", required: true)
        else {
            if body["per_hour"] == nil { yaml.report("\(body.what) has no 'per_hour'", hint: "add it", at: body.position) }
            return nil
        }
        return .init(perHour: perHour, currency: currency)
    }

    private func windows(_ body: YAMLMapping) -> ChangeWindows {
        let zone = body.text("timezone").flatMap { text in
            yaml.checked(body, "timezone") { () throws(ScheduleFault) in try ScheduleZone(text) }
        }
        let open = (body.list("open") ?? []).compactMap { yaml.blackout($0, of: body, as: "window") }
        let freezes = (body.list("freezes") ?? []).compactMap { node -> ChangeWindows.Freeze? in
            guard let period = yaml.blackout(node, of: body, as: "freeze", keys: ["reason"]),
                let item = yaml.mapping(
                    node, keys: ["days", "from", "until", "through", "reason"], of: "a freeze of \(body.what)"),
                let reason = item.text("reason", required: true)
            else { return nil }
            return .init(period: period, reason: reason)
        }
        return ChangeWindows(zone: zone ?? .utc, open: open, freezes: freezes)
    }
}

// MARK: Values

extension EnvironmentReader {
    private func layers(_ body: YAMLMapping, _ nested: inout [Problem]) -> [EnvironmentSpec.ConfigLayer] {
        var layers: [EnvironmentSpec.ConfigLayer] = []
        for node in body.list("defaults") ?? [] {
            if case .mapping = node.content {
                guard let inline = yaml.mapping(node, keys: ["name", "values"], of: "a layer of defaults") else { continue }
                let name = inline.text("name", required: true) ?? ""
                layers.append(.init(name: name, values: Self.values(inline.names("values"), yaml)))
            } else if let path = yaml.text(node, "an item of 'defaults'") {
                if let values = defaults(path, at: node.position, &nested) { layers.append(.init(name: path, values: values)) }
            }
        }
        layers.append(.init(name: "environment", values: Self.values(body.names("values"), yaml)))
        return layers
    }

    private func defaults(_ path: String, at position: SourcePosition, _ nested: inout [Problem]) -> [String: ConfigValue]? {
        let contents: Data
        do { contents = try read(path) } catch {
            yaml.report("'\(path)' cannot be read: \(error)", hint: "give its path relative to this file", at: position)
            return nil
        }
        let file = StrictYAML(file: path)
        let values = file.parse(contents).map { Self.values(file.names($0, of: "the file of defaults"), file) }
        nested += file.problems
        return values
    }

    private static func values(_ entries: [YAMLEntry], _ yaml: StrictYAML) -> [String: ConfigValue] {
        entries.reduce(into: [:]) { values, entry in
            let what = "'\(entry.key.prefix(80))'"
            guard isPlainName(entry.key) else {
                yaml.report("\(what) is no variable name", hint: "lower-case letters, digits and '_'", at: entry.position)
                return
            }
            if case .mapping = entry.value.content {
                guard let body = yaml.mapping(entry.value, keys: ["type", "value"], of: what),
                    let value = body.value("value", required: true)?.json
                else { return }
                values[entry.key] = ConfigValue(value, type: body.choice("type", ParameterType.self, required: true))
            } else if let value = entry.value.json, EnvironmentSpec.valueFault(value) == nil {
                values[entry.key] = ConfigValue(value)
            } else {
                yaml.wrongType(entry.value, what, "text, a number, true or false, at most \(EnvironmentSpec.longestValue) bytes")
            }
        }
    }
}
