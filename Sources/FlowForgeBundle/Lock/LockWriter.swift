internal import FlowForgeDomain
public import FlowForgeProtocol
internal import Foundation

/// Works out a bundle's lock.
public struct LockWriter {
    /// What came of it.
    public struct Draft: Sendable {
        public var lock: BundleLock
        /// What could not be known, and why; nothing of it is wrong.
        public var notes: [String]
    }

    private let subject: LockSubject
    private let before: BundleLock?
    private let catalog: [AssetName: [ColumnSchema]]
    private var known: [AssetName: [LockedColumn]] = [:]
    private var externals: [LockedExternal] = []
    private var assets: [LockedAsset] = []
    private var notes: [String] = []
    private var problems: [Problem] = []
    /// Outputs that nothing can be said of since a SELECT before them is wrong.
    private var broken: Set<AssetName> = []

    /// `catalog` has columns of external inputs as an environment's catalog knows them; contracts come
    /// after it, then what the lock `before` took them to be. Throws what is wrong with the bundle, but
    /// not that its lock is stale.
    public init(_ folder: BundleFolder, catalog: [AssetName: [ColumnSchema]] = [:]) throws(Problems) {
        let files = try folder.files()
        let read = try ManifestReader.readWithoutLock(files)
        subject = LockSubject(read.manifest, files, contracts: read.contracts)
        before = files.first { $0.path == BundleLock.fileName }.flatMap { try? BundleLock(reading: $0.contents) }
        self.catalog = catalog
    }

    /// Whether an engine has to be asked at all.
    public var needsEngine: Bool { subject.outputs.contains { $0.task.sql != nil } }
    public var manifest: Manifest { subject.manifest }

    /// Throws every problem of the SQL, and every promise of a contract that is not kept.
    public func draft(asking engine: (any SchemaEngine)?) async throws -> Draft {
        var writer = self
        return try await writer.write(engine)
    }

    private mutating func write(_ engine: (any SchemaEngine)?) async throws -> Draft {
        for asset in subject.manifest.external { take(external: asset) }
        var waiting = subject.outputs
        while !waiting.isEmpty {
            let left = Set(waiting.map(\.asset))
            let ready = waiting.filter { $0.task.inputs.allSatisfy { !left.contains($0) } }
            guard !ready.isEmpty else {
                for output in waiting { add(output, columns: [], why: "flows wait for each other's tables") }
                break
            }
            try await take(ready, engine)
            waiting.removeAll { output in ready.contains { $0.asset == output.asset } }
        }
        let lock = BundleLock(
            engine: .init(name: PinnedEngine.name, version: PinnedEngine.version), assets: assets, externals: externals)
        problems += subject.breaches(of: lock)
        guard problems.isEmpty else { throw Problems(problems) }
        return Draft(lock: lock, notes: notes)
    }

    private mutating func take(external asset: AssetName) {
        let contract = subject.contracts[asset]
        var columns = contract?.locked ?? []
        if let found = catalog[asset], !found.isEmpty {
            let promised = Dictionary(columns.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
            columns = found.map { column in
                let promise = promised[column.name.lowercased()]
                return LockedColumn(
                    name: column.name, type: column.type, nullable: promise?.nullable, classification: promise?.classification)
            }
        } else if columns.isEmpty {
            columns = before?.externals.first { $0.asset == asset }?.columns ?? []
        }
        guard !columns.isEmpty else {
            notes.append(
                "\(asset) is external and its columns are not known: give it a contract, or name an environment with --env")
            return
        }
        known[asset] = columns
        externals.append(LockedExternal(asset: asset, columns: columns))
    }

    private mutating func add(
        _ output: LockSubject.Output, columns: [LockedColumn], lineage: [LockedLineage] = [], why: String? = nil
    ) {
        if columns.isEmpty, let why { notes.append("the columns of \(output.asset) are not known: \(why)") }
        let of = LockOrigin(output, in: subject, columns: { known[$0] }).digest
        assets.append(LockedAsset(asset: output.asset, of: of, columns: columns, lineage: lineage))
        if !columns.isEmpty { known[output.asset] = columns }
    }

    /// Tables whose inputs have all been looked at.
    private mutating func take(_ ready: [LockSubject.Output], _ engine: (any SchemaEngine)?) async throws {
        var asked: [(output: LockSubject.Output, question: LockScript.Question)] = []
        for output in ready {
            if let (columns, lineage) = output.plain(in: subject) {
                add(output, columns: columns, lineage: lineage, why: "a program writes it; a contract would tell them")
                continue
            }
            guard let path = output.task.sql, output.task.inputs.allSatisfy({ !broken.contains($0) }) else {
                broken.insert(output.asset)
                continue
            }
            if let input = output.task.inputs.first(where: { known[$0] == nil }) {
                add(output, columns: [], why: "those of \(input) are not")
                continue
            }
            let inputs = output.task.inputs.sorted().map { (asset: $0, columns: known[$0] ?? []) }
            asked.append((output, .init(text: QueryText(file: path, text: subject.query(path)), inputs: inputs)))
        }
        guard !asked.isEmpty, let engine else { return }
        try await ask(asked, engine)
    }

    private mutating func ask(
        _ asked: [(output: LockSubject.Output, question: LockScript.Question)], _ engine: any SchemaEngine
    ) async throws {
        let script = LockScript(subject.manifest, folder: engine.folder)
        let answers = LockScript.answers(in: try await engine.run(script.asking(asked.map(\.question))).rows)
        var good: [(output: LockSubject.Output, question: LockScript.Question, columns: [ColumnSchema], tree: JSONValue?)] = []
        for (number, (output, question)) in asked.enumerated() {
            do {
                let answer = answers[number] ?? LockScript.Answer()
                let tree = try answer.parsed.flatMap { parsed throws(QueryText.Fault) in try question.text.tree(of: parsed) }
                if answer.columns.isEmpty {
                    // Alone, so that what it says on standard error is about this one.
                    let errors = try await engine.run(script.asking([question])).errors
                    // The first of them: a type of an input that is none makes a table that is none.
                    let first = errors.split(separator: "\n").first { $0.hasPrefix("{") }.map(String.init)
                    throw Self.fault(question.text, DuckDBError(standardError: first ?? errors, exitStatus: "no answer"))
                }
                good.append((output, question, answer.columns, tree))
            } catch let fault as QueryText.Fault {
                broken.insert(output.asset)
                problems.append(
                    Problem(file: question.text.file, line: fault.line, message: fault.reason, hint: fault.hint))
            }
        }
        let stored = try await stored(good.map(\.columns), script, engine)
        for (item, stored) in zip(good, stored) { add(item.output, item.question, item.tree, stored) }
    }

    private mutating func add(
        _ output: LockSubject.Output, _ question: LockScript.Question, _ tree: JSONValue?, _ rows: [ColumnSchema]
    ) {
        if let fault = Self.fault(of: output.task, with: rows) {
            broken.insert(output.asset)
            problems.append(Problem(file: question.text.file, message: fault.message, hint: fault.hint))
            return
        }
        let schemas = question.inputs.map { input in
            (asset: input.asset, schema: input.columns.map { ColumnSchema(name: $0.name, type: $0.type) })
        }
        let lineage = tree.map { ColumnLineageResolver(inputs: schemas).lineage(of: $0, output: rows.map(\.name)) }
        if lineage?.isTellable != true { notes.append("\(question.text.file) is too large for the lineage of its columns") }
        add(
            output, columns: output.locked(rows, contract: subject.contracts[output.asset]),
            lineage: lineage.map(output.locked) ?? [])
    }

    /// Types as readers find them in files; DuckDB is only asked where that is not clear.
    private func stored(
        _ tables: [[ColumnSchema]], _ script: LockScript, _ engine: any SchemaEngine
    ) async throws -> [[ColumnSchema]] {
        var stored = tables.map { $0.map { ColumnSchema(name: $0.name, type: StoredType.of($0.type)) } }
        let open = stored.indices.filter { index in
            !stored[index].allSatisfy { StoredType.isKept($0.type) }
                || Set(stored[index].map { $0.name.lowercased() }).count < stored[index].count
        }
        guard !open.isEmpty else { return stored }
        let output = try await engine.run(script.storing(open.map { tables[$0] }))
        let answers = LockScript.answers(in: output.rows)
        for (number, index) in open.enumerated() {
            guard let columns = answers[number]?.columns, !columns.isEmpty else {
                throw Problems([
                    Problem(
                        file: BundleLock.fileName,
                        message: DuckDBError(standardError: output.errors, exitStatus: "no answer").message)
                ])
            }
            stored[index] = columns
        }
        return stored
    }

    private static func fault(_ text: QueryText, _ error: DuckDBError) -> QueryText.Fault {
        // The first line says what is wrong; the others draw our own statement around the query.
        let reason = error.message.split(separator: "\n").first.map(String.init) ?? error.type
        let hint =
            switch error.type {
            case "Catalog" where error.message.hasPrefix("Table"):
                "a task's SQL reads its declared inputs only; declare the asset under 'inputs'"
            case "Permission": "a task's SQL reads its declared inputs only, no files"
            default: ""
            }
        var fault = QueryText.Fault(text.file, line: text.lineNumber(complainedAboutIn: error.message), reason: reason)
        if !hint.isEmpty { fault.hint = hint }
        return fault
    }

    /// What a run would fail with, whatever the data.
    private static func fault(of task: TaskSpec, with rows: [ColumnSchema]) -> (message: String, hint: String)? {
        let names = Set(rows.map { $0.name.lowercased() })
        let list = "its columns are \(rows.map(\.name).joined(separator: ", "))"
        if let missing = (task.load.keys + task.load.partitionBy).first(where: { !names.contains($0.lowercased()) }) {
            return ("the task loads by '\(missing)', which the SELECT does not give", list)
        }
        if task.load.mode == .scd2, let reserved = LoadSpec.history.first(where: { names.contains($0.name) }) {
            return ("'\(reserved.name)' is a column that load mode scd2 writes itself", "rename it in the SELECT")
        }
        let all = names.union(task.load.mode == .scd2 ? LoadSpec.history.map(\.name) : [])
        if let unknown = task.columns.first(where: { !all.contains($0.name.lowercased()) }) {
            return ("'columns' of the task describes '\(unknown.name)', which the SELECT does not give", list)
        }
        return nil
    }
}
