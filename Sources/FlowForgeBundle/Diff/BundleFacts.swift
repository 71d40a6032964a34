internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation

/// A bundle taken apart into things that have a name and fields, so that two bundles can be compared.
struct BundleFacts {
    struct Item: Hashable, Comparable {
        var subject: BundleDiff.Subject
        var name: String

        static func < (left: Item, right: Item) -> Bool {
            let order = BundleDiff.Subject.allCases
            let (first, second) = (order.firstIndex(of: left.subject)!, order.firstIndex(of: right.subject)!)
            return first == second ? left.name.utf8.lexicographicallyPrecedes(right.name.utf8) : first < second
        }
    }

    private(set) var items: [Item: [String: JSONValue]] = [:]
    private let files: [String: BundleFile]
    /// Of tables whose columns the lock knows, and so does that of the bundle on the other side.
    private let columns: [AssetName: [LockedColumn]]
    /// `flow.task`.
    private let same: Set<String>

    /// Columns of a lock count where both bundles know them, or only one has the table: what is not known
    /// has neither come nor gone.
    ///
    /// Tasks of `same`, which ``same(_:_:)`` finds, are left out, with what belongs to them.
    init(_ bundle: PackedBundle, beside other: PackedBundle, leavingOut same: Set<String>) {
        self.same = same
        let (known, others) = (bundle.lock?.knownColumns ?? [:], other.lock?.knownColumns ?? [:])
        let written = Set(other.manifest.flows.flatMap(\.tasks).compactMap(\.output))
        columns = known.filter { others[$0.key] != nil || !written.contains($0.key) }
        files = Dictionary(uniqueKeysWithValues: bundle.files.map { ($0.path, $0) })
        let manifest = bundle.manifest
        add(.bundle, manifest.name, ["description": .string(manifest.description)])
        for parameter in manifest.parameters { add(.parameter, parameter.name, members(of: parameter)) }
        for variable in manifest.variables { add(.variable, variable.name, members(of: variable)) }
        for asset in manifest.external { add(.external, "\(asset)", [:]) }
        for flow in manifest.flows { add(flow) }
        addPackages(manifest.python)
        let queries = Set(manifest.flows.flatMap(\.tasks).compactMap(\.sql) + [manifest.python?.lock].compactMap(\.self))
        let read = queries.union([BundleFolder.manifestName, BundleLock.fileName])
        for file in bundle.files where !read.contains(file.path) {
            add(.file, file.path, ["contents": .string(ContentDigest.of(file.contents)), "executable": .bool(file.isExecutable)])
        }
    }

    /// Tasks that are the same in both bundles, with their queries and the columns of their tables: most are, and taking
    /// them apart is most of the work.
    static func same(_ bundle: PackedBundle, _ other: PackedBundle) -> Set<String> {
        func tasks(_ bundle: PackedBundle) -> [String: TaskSpec] {
            let all = bundle.manifest.flows.flatMap { flow in flow.tasks.map { ("\(flow.name).\($0.name)", $0) } }
            return Dictionary(all) { first, _ in first }
        }
        func contents(_ bundle: PackedBundle) -> [String: Data] {
            Dictionary(bundle.files.map { ($0.path, $0.contents) }) { first, _ in first }
        }
        // Swift holds texts for equal whose bytes are not; none of ASCII.
        let isPlain = [bundle, other].allSatisfy { $0.configBytes.isASCII && $0.isLockPlain }
        guard isPlain else { return [] }
        let (others, files, otherFiles) = (tasks(other), contents(bundle), contents(other))
        let (known, otherKnown) = (bundle.lock?.knownColumns ?? [:], other.lock?.knownColumns ?? [:])
        return Set(
            tasks(bundle).filter { name, task in
                guard let match = others[name], match == task else { return false }
                // A check has numbers, of which 0 and -0 are equal.
                return (task.checks.isEmpty || (try? WireCoding.encode(task.checks)) == (try? WireCoding.encode(match.checks)))
                    && task.sql.map { files[$0] == otherFiles[$0] } ?? true
                    && task.output.map { known[$0] == otherKnown[$0] } ?? true
            }.keys)
    }

    private mutating func add(_ subject: BundleDiff.Subject, _ name: String, _ fields: [String: JSONValue]) {
        items[Item(subject: subject, name: name)] = fields
    }

    /// What the lock file says, without its comments and its order.
    private mutating func addPackages(_ python: PythonSpec?) {
        guard let python, let lock = try? RequirementsLock(files[python.lock]?.contents ?? Data(), file: python.lock) else {
            return
        }
        if let version = python.version { add(.package, "python", ["version": .string(version)]) }
        var found: [String: [RequirementsLock.Package]] = [:]
        for package in lock.packages { found[package.name, default: []].append(package) }
        for (name, packages) in found {
            for package in packages {
                let key = packages.count > 1 ? "\(name); \(package.marker ?? "")" : name
                var fields: [String: JSONValue] = [
                    "version": .string(package.version), "hashes": .array(package.hashes.map { .string($0) }),
                ]
                if !package.extras.isEmpty { fields["extras"] = .array(package.extras.map { .string($0) }) }
                fields["marker"] = package.marker.map { .string($0) }
                add(.package, key, fields)
            }
        }
    }

    private mutating func add(_ flow: FlowSpec) {
        add(.flow, flow.name, members(flow, but: "tasks", "triggers"))
        for trigger in flow.triggers ?? [] { add(.trigger, "\(flow.name).\(trigger.name)", members(trigger)) }
        for task in flow.tasks where !same.contains("\(flow.name).\(task.name)") {
            var fields = members(task, but: "checks", "columns", "source", "sql", "load", "output")
            if let source = task.source { fields["source"] = .object(members(source, but: "columns")) }
            if let path = task.sql { fields["query"] = .string(query(path)) }
            add(.task, "\(flow.name).\(task.name)", fields)
            for var check in task.checks {
                if case .sql(let query) = check.rule { check.rule = .sql(query: SQLScan(query).code) }
                add(.check, "\(task.output.map { "\($0)" } ?? "\(flow.name).\(task.name)").\(check.name)", members(check))
            }
            guard let asset = task.output else { continue }
            add(.asset, "\(asset)", ["load": .object(members(task.load))])
            addColumns(of: task, asset)
        }
    }

    /// Without a lock, what is read of a source is declared with its type; of other tables perhaps a
    /// description and tags.
    private mutating func addColumns(of task: TaskSpec, _ asset: AssetName) {
        if let columns = columns[asset] {
            for column in columns { add(.column, "\(asset).\(column.name)", column.facts) }
        } else {
            for column in task.source?.columns ?? [] { add(.column, "\(asset).\(column.name)", members(column)) }
        }
        for column in task.columns {
            let item = Item(subject: .column, name: "\(asset).\(column.name)")
            items[item, default: [:]].merge(members(column)) { $1 }
        }
    }

    /// Without its comments and its formatting.
    private func query(_ path: String) -> String {
        SQLScan(String(decoding: files[path]?.contents ?? Data(), as: UTF8.self)).code
    }

    /// A default may be an empty text.
    private func members(of parameter: ParameterSpec) -> [String: JSONValue] {
        var fields = members(parameter, but: "defaultValue")
        fields["default"] = parameter.defaultValue
        return fields
    }

    /// The members of its JSON, which are those of the manifest; nothing that is empty.
    private func members(_ value: some Encodable, but left: String...) -> [String: JSONValue] {
        guard let bytes = try? WireCoding.encode(value), let json = try? WireCoding.decode(JSONValue.self, from: bytes),
            let members = json.object
        else { preconditionFailure("a part of a validated manifest is a JSON object") }
        return members.filter { $0.key != "name" && !left.contains($0.key) && !Self.isEmpty($0.value) }
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let items): items.isEmpty
        case .object(let members): members.isEmpty
        case .bool, .integer, .number: false
        }
    }
}

extension PackedBundle {
    /// Whether the lock's text is ASCII.
    fileprivate var isLockPlain: Bool {
        files.first { $0.path == BundleLock.fileName }?.contents.isASCII ?? true
    }
}

extension Data {
    fileprivate var isASCII: Bool { withUnsafeBytes { bytes in bytes.allSatisfy { $0 < 0x80 } } }
}

extension LockedColumn {
    /// Its fields, named as those of a source's columns.
    var facts: [String: JSONValue] {
        var facts: [String: JSONValue] = ["type": .string(type), "required": .bool(nullable == false)]
        facts["classification"] = classification.map(JSONValue.string)
        return facts
    }
}

extension BundleLock {
    /// Of the tables that the bundle writes.
    var knownColumns: [AssetName: [LockedColumn]] {
        Dictionary(assets.filter(\.isKnown).map { ($0.asset, $0.columns) }) { first, _ in first }
    }
}
