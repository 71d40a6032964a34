internal import FlowForgeDomain
internal import FlowForgeProtocol

/// What must hold beyond the shape of `flowforge.yaml`: between its parts, and between it and the
/// files of the bundle. ``ManifestRules+Tasks.swift`` has the rules of one task.
struct ManifestRules {
    let manifest: Manifest
    let files: [String: BundleFile]
    let include: [(text: String, position: SourcePosition)]
    let contractFiles: [(text: String, position: SourcePosition)]
    let positions: [ManifestReader.Place: SourcePosition]
    var found: [Problem] = []
    var usedFiles: Set<String> = [BundleFolder.manifestName, BundleLock.fileName]
    var contracts: [AssetName: ContractTable] = [:]
    /// Every table that a task of the bundle writes.
    let outputs: Set<AssetName>

    init(
        manifest: Manifest, files: [BundleFile], include: [(text: String, position: SourcePosition)],
        contracts: [(text: String, position: SourcePosition)],
        positions: [ManifestReader.Place: SourcePosition]
    ) {
        self.manifest = manifest
        self.files = Dictionary(files.map { ($0.path, $0) }) { $1 }
        self.include = include
        contractFiles = contracts
        self.positions = positions
        outputs = Set(manifest.flows.flatMap { $0.tasks.compactMap(\.output) })
    }

    /// Everything that is wrong, and what the contracts say of tables.
    func findings() -> (problems: [Problem], contracts: [AssetName: ContractTable]) {
        var rules = self
        rules.checkBindings()
        rules.checkWriters()
        for flow in manifest.flows {
            rules.checkCycles(flow)
            for task in flow.tasks { rules.check(task, of: flow.name) }
        }
        rules.checkTriggers()
        rules.checkExternals()
        rules.checkContracts()
        rules.checkPython()
        rules.checkUnusedFiles()
        return (rules.found, rules.contracts)
    }

    mutating func report(_ message: String, hint: String, at place: ManifestReader.Place) {
        report(message, hint: hint, at: positions[place])
    }

    mutating func report(_ message: String, hint: String, at position: SourcePosition?, in file: String? = nil) {
        found.append(
            Problem(
                file: file ?? BundleFolder.manifestName, line: position?.line, column: position?.column, message: message,
                hint: hint))
    }

    /// A guess for a hint. It costs time for each candidate, so only the first hundred problems get one.
    func nearest(_ name: String, among candidates: some Sequence<String>) -> String? {
        found.count < 100 ? Spelling.nearest(name, among: candidates) : nil
    }

    /// SQL sees parameters, variables and ours in one space of names.
    private mutating func checkBindings() {
        let parameters = Set(manifest.parameters.map(\.name))
        for variable in manifest.variables where parameters.contains(variable.name) {
            report(
                "'\(variable.name)' is both a parameter and a variable", hint: "rename one; SQL sees both by getvariable",
                at: .binding(variable.name))
        }
        for spec in manifest.parameters + manifest.variables where Manifest.builtInVariables.contains(spec.name) {
            report("'\(spec.name)' is a variable of FlowForge itself", hint: "choose another name", at: .binding(spec.name))
        }
    }

    private mutating func checkWriters() {
        var writers: [AssetName: (flow: String, task: String)] = [:]
        for flow in manifest.flows {
            for task in flow.tasks {
                guard let output = task.output else { continue }
                if let other = writers[output] {
                    let line = positions[.part(other.flow, other.task, "output")].map { " (line \($0.line))" } ?? ""
                    report(
                        "\(output) is also written by task '\(other.task)' of flow '\(other.flow)'\(line)",
                        hint: "a table has one writer; give this one another output",
                        at: .part(flow.name, task.name, "output"))
                } else {
                    writers[output] = (flow.name, task.name)
                }
            }
        }
    }

    private mutating func checkCycles(_ flow: FlowSpec) {
        let names = flow.tasks.map(\.name)
        for task in flow.tasks {
            for (index, name) in (task.after ?? []).enumerated() where !names.contains(name) {
                report(
                    "flow '\(flow.name)' has no task '\(name.prefix(80))'",
                    hint: nearest(name, among: names).map { "did you mean '\($0)'?" } ?? "name a task of the same flow",
                    at: .item(flow.name, task.name, "after", index))
            }
        }
        do {
            _ = try TaskGraph(flow.nodes)
        } catch {
            for cycle in error.cycles {
                let place = ManifestReader.Place.part(flow.name, cycle[0], "inputs")
                if cycle.count == 1 {
                    report(
                        "task '\(cycle[0])' reads its own output",
                        hint: "remove the input; append, merge and scd2 add to what is there",
                        at: place)
                } else {
                    report(
                        "tasks wait for each other: \(TaskGraphError.arrows(cycle))",
                        hint: "remove one of these inputs, or split a task", at: place)
                }
            }
        }
    }

    private mutating func checkExternals() {
        let inputs = Set(
            manifest.flows.flatMap { flow in
                flow.tasks.flatMap(\.inputs) + (flow.triggers ?? []).compactMap { $0.asset?.name }
            })
        for (index, asset) in manifest.external.enumerated() {
            if outputs.contains(asset) {
                report("\(asset) is written by this bundle", hint: "remove it from 'external'", at: .external(index))
            } else if !inputs.contains(asset) {
                report("\(asset) is no task's input and no trigger's", hint: "remove it from 'external'", at: .external(index))
            }
        }
    }

    private mutating func checkPython() {
        guard let python = manifest.python else { return }
        usedFiles.insert(python.lock)
        guard let file = files[python.lock] else {
            return report(
                "there is no file '\(python.lock.prefix(80))' in the bundle",
                hint: nearest(python.lock, among: files.keys.sorted()).map { "did you mean '\($0)'?" }
                    ?? "make it, e.g. with `pip-compile --generate-hashes`", at: .python)
        }
        do throws(Problems) { _ = try RequirementsLock(file.contents, file: python.lock) } catch { found += error.all }
        if !manifest.flows.contains(where: { $0.tasks.contains { $0.command != nil } }) {
            report("no task of the bundle is a command", hint: "remove 'python'; SQL needs no packages", at: .python)
        }
    }

    private mutating func checkUnusedFiles() {
        let all = files.keys.sorted()
        var patterns: [(item: (text: String, position: SourcePosition), pattern: IgnoreRules.Pattern)] = []
        for item in include {
            if let pattern = IgnoreRules.Pattern(item.text) {
                patterns.append((item, pattern))
            } else {
                report("'\(item.text.prefix(80))' is no pattern", hint: "name a file or folder of the bundle", at: item.position)
            }
        }
        for (item, pattern) in patterns where !all.contains(where: pattern.covers) {
            report("'\(item.text.prefix(80))' includes no file of the bundle", hint: "correct or remove it", at: item.position)
        }
        for path in all where !usedFiles.contains(path) && !patterns.contains(where: { $0.pattern.covers(path) }) {
            report(
                "no task uses this file", hint: "delete it, list it under 'include' of flowforge.yaml, or in .flowforgeignore",
                at: nil, in: path)
        }
    }
}
