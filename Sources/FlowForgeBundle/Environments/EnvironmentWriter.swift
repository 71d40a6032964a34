public import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation
internal import Yams

/// Writes an environment as the file that ``EnvironmentReader`` reads; what is left out in files is left
/// out here. Layers of values keep their names.
public enum EnvironmentWriter {
    public static func text(_ spec: EnvironmentSpec) throws -> String {
        try serialize(node: Node(try root(spec)), allowUnicode: true)
    }

    private static func root(_ spec: EnvironmentSpec) throws -> Pairs {
        var root = Pairs()
        root.add(
            "environment",
            Pairs {
                $0.add("name", spec.name)
                if let project = spec.project { $0.add("project", project) }
                if !spec.description.isEmpty { $0.add("description", spec.description) }
                $0.add("tier", spec.tier)
            })
        if !spec.upstream.isEmpty {
            root.add(
                "upstream",
                list: spec.upstream.map { upstream in
                    Pairs {
                        $0.add("environment", upstream.environment)
                        if upstream.soakSeconds > 0 { $0.add("soak", Quantity.duration(upstream.soakSeconds)) }
                    }
                })
        }
        if !spec.regions.isEmpty { root.add("regions", words: spec.regions) }
        if let residency = spec.residency { root.add("residency", residency) }
        if let ceiling = spec.classification { root.add("classification", ceiling.rawValue) }
        root.add("pool", spec.pool)
        if let pools = spec.pools { root.add("pools", words: pools) }
        if spec.mode != .physical { root.add("mode", spec.mode.rawValue) }
        if let config = config(spec.config) { root.add("config", config) }
        if !spec.credentials.isEmpty { root.add("credentials", words: spec.credentials) }
        if !spec.storage.isEmpty { root.add("storage", words: spec.storage) }
        if spec.protection != .init() {
            root.add(
                "protection",
                Pairs {
                    if spec.protection.requiresPlan { $0.add("requires_plan", json: .bool(true)) }
                    if !spec.protection.gates.isEmpty { $0.add("gates", gates(spec.protection.gates)) }
                })
        }
        if let windows = spec.windows { root.add("windows", try self.windows(windows)) }
        if let rate = spec.rate {
            root.add(
                "rate",
                Pairs {
                    $0.add("per_hour", json: .number(rate.perHour)); $0.add("currency", rate.currency)
                })
        }
        if let end = spec.expiresAt { root.add("expires", WireCoding.text(end)) }
        return root
    }

    private static func config(_ layers: [EnvironmentSpec.ConfigLayer]) -> Pairs? {
        let own = layers.last.flatMap { $0.name == "environment" ? $0 : nil }
        let defaults = own == nil ? layers : Array(layers.dropLast())
        guard !defaults.isEmpty || !(own?.values.isEmpty ?? true) else { return nil }
        return Pairs { pairs in
            if !defaults.isEmpty {
                pairs.add(
                    "defaults",
                    list: defaults.map { layer in
                        Pairs {
                            $0.add("name", layer.name); $0.add("values", values(layer.values))
                        }
                    })
            }
            if let own, !own.values.isEmpty { pairs.add("values", values(own.values)) }
        }
    }

    private static func values(_ values: [String: ConfigValue]) -> Pairs {
        Pairs { pairs in
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                if let type = value.type {
                    pairs.add(
                        name,
                        Pairs {
                            $0.add("type", type.rawValue); $0.add("value", json: value.value)
                        })
                } else {
                    pairs.add(name, json: value.value)
                }
            }
        }
    }

    private static func windows(_ windows: ChangeWindows) throws -> Pairs {
        func period(_ period: Blackout) throws -> Pairs {
            let value = try JSONValue(encoding: period)
            return Pairs { pairs in
                for key in ["days", "from", "until", "through"] { if let member = value[key] { pairs.add(key, json: member) } }
            }
        }
        let open = try windows.open.map(period)
        let freezes = try windows.freezes.map { freeze in
            var pairs = try period(freeze.period)
            pairs.add("reason", freeze.reason)
            return pairs
        }
        return Pairs { pairs in
            pairs.add("timezone", windows.zone.name)
            if !open.isEmpty { pairs.add("open", list: open) }
            if !freezes.isEmpty { pairs.add("freezes", list: freezes) }
        }
    }

    private static func gates(_ gates: [GateSpec]) -> Pairs {
        Pairs { pairs in
            for gate in gates {
                pairs.add(
                    gate.name,
                    Pairs {
                        $0.add(gate.rule.kind, rule(gate.rule))
                        if gate.enforcement != .hard { $0.add("enforcement", gate.enforcement.rawValue) }
                        if let seconds = gate.validForSeconds { $0.add("valid_for", Quantity.duration(seconds)) }
                    })
            }
        }
    }

    private static func rule(_ rule: GateSpec.Rule) -> Pairs {
        Pairs { pairs in
            switch rule {
            case .approval(let gate):
                pairs.add("count", json: .integer(Int64(gate.count)))
                if !gate.from.isEmpty { pairs.add("from", words: gate.from) }
                if !gate.separationOfDuties { pairs.add("separation_of_duties", json: .bool(false)) }
            case .quality(let gate):
                pairs.add("runs", json: .integer(Int64(gate.runs)))
                if gate.strict { pairs.add("strict", json: .bool(true)) }
            case .soak(let gate):
                pairs.add("environment", gate.environment)
                pairs.add("for", Quantity.duration(gate.seconds))
            case .dataDiff(let gate):
                if !gate.assets.isEmpty { pairs.add("assets", words: gate.assets.map(\.description)) }
                for (key, value) in [
                    ("max_row_change", gate.maxRowChange), ("min_key_match", gate.minKeyMatch),
                    ("min_column_match", gate.minColumnMatch),
                ] {
                    if let value { pairs.add(key, json: .number(value)) }
                }
                if gate.allowsSchemaChange { pairs.add("allow_schema_change", json: .bool(true)) }
            case .residency, .classification, .window: break
            case .cost(let gate):
                if let amount = gate.maxAmount { pairs.add("max_amount", json: .number(amount)) }
                if let seconds = gate.maxSeconds { pairs.add("max_time", Quantity.duration(seconds)) }
            case .policy(let gate):
                pairs.add(
                    "deny",
                    list: gate.deny.map { denial in
                        Pairs {
                            for (key, value) in [
                                ("impact", denial.impact?.rawValue), ("subject", denial.subject), ("action", denial.action),
                                ("name", denial.name), ("reaches", denial.reaches), ("message", denial.message),
                            ] {
                                if let value { $0.add(key, value) }
                            }
                        }
                    })
            case .external(let gate): pairs.add("url", gate.url)
            }
        }
    }
}

/// A mapping in the order in which it was said.
private struct Pairs {
    private(set) var pairs: [(Node, Node)] = []

    init() {}
    init(_ fill: (inout Pairs) -> Void) { fill(&self) }

    mutating func add(_ key: String, _ value: Pairs) { append(key, Node(value)) }
    mutating func add(_ key: String, _ text: String) { append(key, Self.scalar(text)) }
    mutating func add(_ key: String, json: JSONValue) { append(key, Self.node(json)) }
    mutating func add(_ key: String, list: [Pairs]) { append(key, Node(list.map(Node.init), Tag(.seq), .block)) }
    mutating func add(_ key: String, words: [String]) { append(key, Node(words.map(Self.scalar), Tag(.seq), .flow)) }
    mutating func add(_ key: String, words: [String: String]) {
        add(key, Pairs { pairs in for (name, word) in words.sorted(by: { $0.key < $1.key }) { pairs.add(name, word) } })
    }

    private mutating func append(_ key: String, _ node: Node) { pairs.append((Self.scalar(key), node)) }

    /// Plain where nothing else could be read out of it.
    private static func scalar(_ text: String) -> Node {
        let isWord =
            text.utf8.first.map { (97...122).contains($0 | 32) } ?? false
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte | 32) || "_-./".utf8.contains(byte)
            } && YAMLNode(.scalar(text, isPlain: true), at: .init(line: 1, column: 1)).json == .string(text)
        return Node(text, Tag(.str), isWord ? .plain : .doubleQuoted)
    }

    private static func node(_ value: JSONValue) -> Node {
        switch value {
        case .string(let text): scalar(text)
        case .bool(let flag): Node(flag ? "true" : "false", Tag(.bool), .plain)
        case .integer(let number): Node("\(number)", Tag(.int), .plain)
        case .number(let number): Node("\(number)", Tag(.float), .plain)
        case .null: Node("null", Tag(.null), .plain)
        case .array(let items): Node(items.map(node), Tag(.seq), .flow)
        case .object(let members):
            Node(members.sorted { $0.key < $1.key }.map { (scalar($0.key), node($0.value)) }, Tag(.map), .flow)
        }
    }
}

extension Node {
    fileprivate init(_ pairs: Pairs) { self.init(pairs.pairs, Tag(.map), .block) }
}
