internal import FlowForgeDomain
internal import FlowForgeProtocol

/// Reads a bundle's `flowforge.yaml` against its files. Everything that is wrong is found in one go: the
/// shape first, then, on what could be read, what ``ManifestRules`` ask for. docs/bundle.md is the
/// reference; docs/schemas/flowforge.schema.json says the same of the shape, to editors.
final class ManifestReader {
    let yaml: StrictYAML
    /// Where the things of the manifest stand, by their ``Place``.
    private(set) var positions: [Place: SourcePosition] = [:]
    private(set) var include: [(text: String, position: SourcePosition)] = []
    private(set) var contracts: [(text: String, position: SourcePosition)] = []

    private init(file: String) { yaml = StrictYAML(file: file) }

    /// The manifest in `files`, which must have passed ``BundleFolder/files()`` or
    /// ``BundleArchive/files(in:)``.
    static func read(_ files: [BundleFile]) throws(BundleProblems) -> (manifest: Manifest, lock: BundleLock?) {
        let read = try readWithoutLock(files)
        guard let file = files.first(where: { $0.path == BundleLock.fileName }) else { return (read.manifest, nil) }
        let lock = try BundleLock(reading: file.contents)
        let faults = LockSubject(read.manifest, files, contracts: read.contracts).faults(of: lock)
        guard faults.isEmpty else { throw BundleProblems(faults) }
        return (read.manifest, lock)
    }

    /// The same whatever `flowforge.lock` says, and what the contracts say of tables.
    static func readWithoutLock(
        _ files: [BundleFile]
    ) throws(BundleProblems) -> (manifest: Manifest, contracts: [AssetName: ContractTable]) {
        let name = BundleFolder.manifestName
        guard let file = files.first(where: { $0.path == name }) else {
            throw BundleProblems([
                Problem(file: name, message: "is missing", hint: "a bundle is a folder with a \(name); see docs/bundle.md")
            ])
        }
        let reader = ManifestReader(file: name)
        guard let root = reader.yaml.parse(file.contents), let manifest = reader.manifest(root) else {
            throw BundleProblems(reader.yaml.problems)
        }
        let rules = ManifestRules(
            manifest: manifest, files: files, include: reader.include, contracts: reader.contracts, positions: reader.positions)
        let (found, contracts) = rules.findings()
        let problems = reader.yaml.problems + found
        guard problems.isEmpty else { throw BundleProblems(problems) }
        return (manifest, contracts)
    }

    func note(_ place: Place, _ position: SourcePosition) { positions[place] = position }

    private func manifest(_ node: YAMLNode) -> Manifest? {
        let keys = ["bundle", "parameters", "variables", "external", "contracts", "include", "python", "defaults", "flows"]
        guard let root = yaml.mapping(node, keys: keys, of: "the manifest") else { return nil }
        let head = root.mapping("bundle", keys: ["name", "version", "description"], required: true)
        var limits = TaskLimits()
        if let defaults = root.mapping("defaults", keys: TaskLimits.keys) { limits = self.limits(defaults, limits) }
        include = root.texts("include") ?? []
        contracts = contractFiles(root)
        return Manifest(
            name: head.flatMap { name($0, "name", dashes: true, required: true) } ?? "",
            version: head.flatMap(version) ?? "", description: head?.text("description") ?? "",
            parameters: bindings(root, "parameters", allowingPaths: false),
            variables: bindings(root, "variables", allowingPaths: true), flows: flows(root, limits),
            external: assets(root, "external") { .external($0) }, contracts: contracts.isEmpty ? nil : contracts.map(\.text),
            python: python(root))
    }

    private func contractFiles(_ root: YAMLMapping) -> [(text: String, position: SourcePosition)] {
        var paths: Set<String> = []
        return (root.texts("contracts") ?? []).filter { item in
            let isNew = paths.insert(item.text).inserted
            if !isNew { yaml.report("'\(item.text.prefix(80))' is given twice", hint: "remove one", at: item.position) }
            return isNew
        }
    }

    private func python(_ root: YAMLMapping) -> PythonSpec? {
        guard let section = root.mapping("python", keys: ["lock", "version"]),
            let lock = section.text("lock", required: true)
        else { return nil }
        note(.python, section.position(of: "lock"))
        let version = section.text("version")
        if let version, PythonVersions(version) == nil {
            yaml.report(
                "'version' of \(section.what) is '\(version.prefix(80))'", hint: "say which versions will do, e.g. \">=3.11\"",
                at: section.position(of: "version"))
        }
        return PythonSpec(lock: lock, version: version)
    }

    private func version(_ head: YAMLMapping) -> String? {
        guard let text = head.text("version", required: true) else { return nil }
        guard SemanticVersion.isWellFormed(text) else {
            yaml.report(
                "'version' of \(head.what) is '\(text.prefix(80))'", hint: "write a semantic version such as 1.0.0 or 1.1.0-rc.1",
                at: head.position(of: "version"))
            return nil
        }
        return text
    }

    private func flows(_ root: YAMLMapping, _ limits: TaskLimits) -> [FlowSpec] {
        let entries = root.names("flows", required: true)
        if entries.isEmpty, root["flows"].map({ !$0.isNull }) ?? false {
            yaml.report("the manifest has no flow", hint: "a bundle has at least one", at: root.position(of: "flows"))
        }
        return entries.compactMap { entry -> FlowSpec? in
            check(entry.key, "flow", at: entry.position)
            let what = "flow '\(entry.key.prefix(80))'"
            guard let flow = yaml.mapping(entry.value, keys: Self.flowKeys, of: what) else { return nil }
            note(.flow(entry.key), entry.position)
            let tasks = flow.names("tasks", required: true)
            if tasks.isEmpty, flow["tasks"].map({ !$0.isNull }) ?? false {
                yaml.report("\(what) has no task", hint: "a flow has at least one", at: flow.position(of: "tasks"))
            }
            if tasks.count > BundleLimits.tasks {
                yaml.report(
                    "\(what) has \(tasks.count) tasks", hint: "at most \(BundleLimits.tasks) are allowed; make it several flows",
                    at: flow.position(of: "tasks"))
            }
            return FlowSpec(
                name: entry.key, description: flow.text("description") ?? "",
                tasks: tasks.prefix(BundleLimits.tasks).compactMap { task($0, of: entry.key, limits) }.sorted {
                    $0.name < $1.name
                },
                concurrency: flow.integer("concurrency", in: 1...10_000).map(Int.init),
                timeoutSeconds: flow.duration("timeout", in: 1...30 * 86_400),
                priority: flow.integer("priority", in: -100...100).map(Int.init), triggers: triggers(flow, of: entry.key),
                pool: pool(flow))
        }
        .sorted { $0.name < $1.name }
    }

    private static let flowKeys = ["description", "tasks", "triggers", "concurrency", "timeout", "priority", "pool"]
}

extension ManifestReader {
    /// A thing of the manifest that a rule may complain about.
    enum Place: Hashable {
        case binding(String), external(Int), flow(String), task(String, String)
        /// The lock file of `python`.
        case python
        /// A key of a task.
        case part(String, String, String)
        /// An item of a list of a task.
        case item(String, String, String, Int)
        case trigger(String, String)
        /// The `schedule`, `upstream`, … of a trigger.
        case triggerPart(String, String)
        case triggerParameter(String, String, String)
    }

    /// Reports a name that is not plain; says whether it is.
    @discardableResult
    func check(_ name: String, _ what: String, dashes: Bool = false, at position: SourcePosition) -> Bool {
        if isPlainName(name, dashes: dashes) { return true }
        yaml.report(
            "'\(name.prefix(80))' is no name for a \(what)",
            hint: "a name starts with a small letter and has only small letters, digits and _"
                + (dashes ? " or -" : "") + ", at most 63",
            at: position)
        return false
    }

    func name(_ mapping: YAMLMapping, _ key: String, dashes: Bool = false, required: Bool = false) -> String? {
        guard let text = mapping.text(key, required: required) else { return nil }
        return check(text, mapping.what, dashes: dashes, at: mapping.position(of: key)) ? text : nil
    }

    func asset(_ text: String, at position: SourcePosition) -> AssetName? {
        if let name = AssetName(text) { return name }
        yaml.report(
            "'\(text.prefix(80))' is no name of an asset",
            hint: "write <layer>.<table>, e.g. silver.flights; layers are bronze, silver and gold, a table has small letters, "
                + "digits and _",
            at: position)
        return nil
    }

    func assets(_ mapping: YAMLMapping, _ key: String, place: (Int) -> Place) -> [AssetName] {
        var names: [AssetName] = []
        for item in mapping.texts(key) ?? [] {
            guard let name = asset(item.text, at: item.position) else { continue }
            if names.contains(name) {
                yaml.report("\(name) is given twice", hint: "remove one", at: item.position)
            } else {
                note(place(names.count), item.position)
                names.append(name)
            }
        }
        return names
    }

    /// The name of a column, which is the data's own and so may be almost anything; it is quoted
    /// wherever it is used.
    func column(_ text: String, at position: SourcePosition) -> String? {
        let isFine =
            !text.isEmpty && text.unicodeScalars.count <= 128 && text.first?.isWhitespace == false
            && text.last?.isWhitespace == false
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && !"\"'`\\;".unicodeScalars.contains($0) }
        if isFine { return text }
        yaml.report(
            "'\(text.prefix(80))' is no name of a column",
            hint: "1 to 128 characters, none of them a quote, a backslash, a semicolon or a control character; "
                + "rename it in the data or in the SQL",
            at: position)
        return nil
    }

    func columns(_ mapping: YAMLMapping, _ key: String, required: Bool = false) -> [String] {
        var names: [String] = []
        for item in mapping.texts(key, single: true, required: required) ?? [] {
            guard let name = column(item.text, at: item.position) else { continue }
            if names.contains(name) {
                yaml.report("the column '\(name)' is given twice", hint: "remove one", at: item.position)
            } else {
                names.append(name)
            }
        }
        return names
    }

    private func bindings(_ root: YAMLMapping, _ key: String, allowingPaths: Bool) -> [ParameterSpec] {
        root.names(key).compactMap { entry in
            let noun = allowingPaths ? "variable" : "parameter"
            check(entry.key, noun, at: entry.position)
            note(.binding(entry.key), entry.position)
            let what = "\(noun) '\(entry.key.prefix(80))'"
            guard let body = yaml.mapping(entry.value, keys: ["type", "default", "description"], of: what) else { return nil }
            let type = body.choice("type", ParameterType.self, required: true)
            if type == .path, !allowingPaths {
                yaml.report(
                    "\(what) has type 'path'", hint: "only variables may be paths: environments say where data is, runs do not",
                    at: body.position(of: "type"))
            }
            return ParameterSpec(
                name: entry.key, type: type ?? .string, description: body.text("description") ?? "",
                defaultValue: type.flatMap { defaultValue(body, $0) })
        }
        .sorted { $0.name < $1.name }
    }

    /// Stricter than `ParameterBinder`: in YAML, an integer is written as one and not as text.
    private func defaultValue(_ body: YAMLMapping, _ type: ParameterType) -> JSONValue? {
        guard let node = body.value("default") else { return nil }
        let isWritten: Bool
        switch (type, node.json) {
        case (.integer, .string?), (.number, .string?), (.boolean, .string?), (_, nil): isWritten = false
        default: isWritten = true
        }
        if isWritten, let value = node.json.flatMap(type.converting) { return value }
        yaml.wrongType(node, "'default' of \(body.what)", type.form)
        return nil
    }
}
