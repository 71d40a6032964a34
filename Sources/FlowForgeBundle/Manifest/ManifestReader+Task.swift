internal import FlowForgeDomain
internal import FlowForgeProtocol

/// What limits a task; given under `defaults` for all tasks and by each for itself.
struct TaskLimits {
    static let keys = ["retries", "timeout", "resources"]
    var retry = RetrySpec()
    var timeoutSeconds = 3600.0
    var resources = ResourceSpec()
}

extension ManifestReader {
    private static let taskKeys =
        [
            "description", "layer", "engine", "sql", "source", "command", "inputs", "output", "load", "keys",
            "partition_by", "columns", "checks", "after", "uses", "when_cut_off", "credentials", "pool",
        ] + TaskLimits.keys

    func limits(_ mapping: YAMLMapping, _ base: TaskLimits) -> TaskLimits {
        var limits = base
        if let retries = mapping.mapping("retries", keys: ["max", "delay", "backoff", "jitter", "longest"]) {
            limits.retry.retries = retries.integer("max", in: 0...20).map(Int.init) ?? limits.retry.retries
            limits.retry.delaySeconds = retries.duration("delay", in: 0...3600) ?? limits.retry.delaySeconds
            limits.retry.backoff = retries.number("backoff", in: 1...10) ?? limits.retry.backoff
            limits.retry.jitter = retries.number("jitter", in: 0...1) ?? limits.retry.jitter
            limits.retry.longestDelaySeconds = retries.duration("longest", in: 0...3600) ?? limits.retry.longestDelaySeconds
        }
        limits.timeoutSeconds = mapping.duration("timeout", in: 1...7 * 86_400) ?? limits.timeoutSeconds
        if let resources = mapping.mapping("resources", keys: ["memory", "threads"]) {
            limits.resources.memoryBytes =
                resources.size("memory", in: 64 << 20...1 << 40) ?? limits.resources.memoryBytes
            limits.resources.threads = resources.integer("threads", in: 1...256).map(Int.init) ?? limits.resources.threads
        }
        return limits
    }

    func task(_ entry: YAMLEntry, of flow: String, _ base: TaskLimits) -> TaskSpec? {
        check(entry.key, "task", at: entry.position)
        let what = "task '\(entry.key.prefix(80))'"
        guard let body = yaml.mapping(entry.value, keys: Self.taskKeys, of: what) else { return nil }
        note(.task(flow, entry.key), entry.position)
        for part in body.entries { note(.part(flow, entry.key, part.key), part.value.position) }

        let layer = body.choice("layer", Layer.self, required: true)
        let output = body.text("output").flatMap { asset($0, at: body.position(of: "output")) }
        let limits = limits(body, base)
        let engine = engine(body)
        let sql = body.text("sql")
        let source = body.mapping("source", keys: Self.sourceKeys).map(self.source)
        let command = command(body, of: flow, task: entry.key)
        // An output that was given but could not be read has been reported already.
        if engine != "command", body["output"] == nil {
            yaml.report("\(what) has no 'output'", hint: "name the table that it writes, e.g. silver.flights", at: entry.position)
        }
        return TaskSpec(
            name: entry.key, layer: layer ?? output?.layer ?? .unknown, engine: engine, sql: sql, source: source,
            command: command,
            inputs: assets(body, "inputs") { .item(flow, entry.key, "inputs", $0) }, output: output, load: load(body),
            columns: columnSpecs(body), checks: checks(body, of: flow, task: entry.key), retry: limits.retry,
            timeoutSeconds: limits.timeoutSeconds, resources: limits.resources,
            description: body.text("description") ?? "", limits: uses(body),
            whenCutOff: body.choice("when_cut_off", WhenCutOff.self), after: after(body, of: flow, task: entry.key),
            credentials: credentials(body), pool: pool(body))
    }

    /// What environments call the pool that it asks for.
    func pool(_ body: YAMLMapping) -> String? {
        guard let text = body.text("pool") else { return nil }
        return check(text, "pool", dashes: true, at: body.position(of: "pool")) ? text : nil
    }

    /// What an engine of ours reads could end up in a table; a program is answerable for what it reads.
    private func credentials(_ body: YAMLMapping) -> [String]? {
        guard body["credentials"] != nil else { return nil }
        let items = body.texts("credentials") ?? []
        if body["command"] == nil {
            yaml.report(
                "\(body.what) has 'credentials' but no 'command'",
                hint: "only programs can read credentials; remove 'credentials'", at: body.position(of: "credentials"))
        }
        var names: [String] = []
        for item in items where check(item.text, "credential", at: item.position) {
            if names.contains(item.text) {
                yaml.report("credential '\(item.text)' is named twice", hint: "remove one", at: item.position)
            } else {
                names.append(item.text)
            }
        }
        if items.count > CredentialBinder.most {
            yaml.report("\(body.what) names more than \(CredentialBinder.most) credentials", at: body.position(of: "credentials"))
        }
        return names.isEmpty ? nil : names.sorted()
    }

    /// What it takes of resources that the control plane limits.
    private func uses(_ body: YAMLMapping) -> [String: Int]? {
        let entries = body.names("uses")
        guard !entries.isEmpty, let units = body.mapping("uses", keys: entries.map(\.key)) else { return nil }
        return entries.reduce(into: [:]) { uses, entry in
            check(entry.key, "resource", dashes: true, at: entry.position)
            uses[entry.key] = units.integer(entry.key, in: 1...1_000_000).map(Int.init)
        }
    }

    private func after(_ body: YAMLMapping, of flow: String, task: String) -> [String]? {
        guard let items = body.texts("after", single: true), !items.isEmpty else { return nil }
        for (index, item) in items.enumerated() { note(.item(flow, task, "after", index), item.position) }
        return items.map(\.text)
    }

    /// Exactly one of `sql`, `source` and `command`, and the engine that goes with it.
    private func engine(_ body: YAMLMapping) -> String {
        let given = ["sql", "source", "command"].filter { body[$0] != nil }
        if given.count != 1 {
            let found = given.isEmpty ? "none" : given.map { "'\($0)'" }.joined(separator: " and ")
            yaml.report(
                "\(body.what) needs exactly one of 'sql', 'source' and 'command', and has \(found)",
                hint: "'sql' for a SELECT, 'source' to read raw files, 'command' for a program of the bundle", at: body.position)
        }
        let implied = given == ["command"] ? "command" : "duckdb"
        guard let engine = body.text("engine") else { return implied }
        guard ["duckdb", "command"].contains(engine) else {
            yaml.unknownChoice(engine, "'engine' of \(body.what)", ["duckdb", "command"], at: body.position(of: "engine"))
            return implied
        }
        if given.count == 1, engine != implied {
            yaml.report(
                "\(body.what) has engine '\(engine)' and '\(given[0])'",
                hint: engine == "command" ? "give the program under 'command'" : "remove 'engine' or write 'engine: command'",
                at: body.position(of: "engine"))
        }
        return engine
    }

    private func command(_ body: YAMLMapping, of flow: String, task: String) -> [String]? {
        guard let items = body.texts("command") else { return nil }
        if items.isEmpty, body["command"].map({ $0.content == .sequence([]) }) ?? false {
            yaml.report(
                "'command' of \(body.what) is empty", hint: "name an executable of the bundle, e.g. [bin/fetch.sh, --all]",
                at: body.position(of: "command"))
        }
        for (index, item) in items.enumerated() {
            note(.item(flow, task, "command", index), item.position)
            if item.text.utf8.contains(0) || item.text.utf8.count > 4096 {
                yaml.report("an argument of \(body.what) is longer than 4096 bytes or has a NUL", at: item.position)
            }
        }
        return items.map(\.text)
    }

    private func load(_ body: YAMLMapping) -> LoadSpec {
        LoadSpec(
            mode: body.choice("load", LoadMode.self) ?? .replace, keys: columns(body, "keys"),
            partitionBy: columns(body, "partition_by"))
    }

    /// A name, or a name and a word for it: `residency:eu`.
    private func checkTag(_ tag: String, at position: SourcePosition) -> Bool {
        let parts = tag.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy({ isPlainName($0, dashes: true) }) else {
            yaml.report(
                "'\(tag.prefix(80))' is no tag", hint: "a name, or two with a colon between them, such as residency:eu",
                at: position)
            return false
        }
        guard parts[0] != "classification" || (parts.count == 2 && DataClass(rawValue: parts[1]).map { $0 != .unknown } == true)
        else {
            yaml.report(
                "'\(tag.prefix(80))' names no class",
                hint: DataClass.allCases.filter { $0 != .unknown }.map(\.rawValue).joined(separator: ", "),
                at: position)
            return false
        }
        return true
    }

    private func columnSpecs(_ body: YAMLMapping) -> [ColumnSpec] {
        body.names("columns").compactMap { entry in
            guard let name = column(entry.key, at: entry.position),
                let spec = yaml.mapping(entry.value, keys: ["description", "tags"], of: "column '\(name)' of \(body.what)")
            else { return nil }
            let tags = (spec.texts("tags") ?? []).compactMap { tag in
                checkTag(tag.text, at: tag.position) ? tag.text : nil
            }
            return ColumnSpec(name: name, description: spec.text("description") ?? "", tags: tags)
        }
    }
}
