internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import Foundation

/// What a lock is about: the tables that a bundle's tasks write.
struct LockSubject {
    struct Output {
        var asset: AssetName
        var task: TaskSpec
    }

    let manifest: Manifest
    let contracts: [AssetName: ContractTable]
    /// By name.
    let outputs: [Output]
    private let files: [String: BundleFile]

    /// `files` and `manifest` are those of one validated bundle.
    init(_ manifest: Manifest, _ files: [BundleFile], contracts: [AssetName: ContractTable]) {
        self.manifest = manifest
        self.contracts = contracts
        self.files = Dictionary(files.map { ($0.path, $0) }) { $1 }
        outputs = manifest.flows.flatMap(\.tasks).compactMap { task in task.output.map { Output(asset: $0, task: task) } }
            .sorted { $0.asset < $1.asset }
    }

    func query(_ path: String) -> String { String(decoding: files[path]?.contents ?? Data(), as: UTF8.self) }
}

extension LockSubject.Output {
    /// Columns, in lower case, in which no published row has a null.
    var required: Set<String> {
        var names = Set((task.source?.columns ?? []).filter(\.required).map(\.name))
        if task.source != nil { names.formUnion(SourceSpec.audit.map(\.name)) }
        if [.merge, .scd2].contains(task.load.mode) { names.formUnion(task.load.keys) }
        if task.load.mode == .scd2 { names.formUnion(["_valid_from", "_is_current"]) }
        for check in task.checks where check.severity != .warn {
            if case .notNull(let column) = check.rule { names.insert(column) }
        }
        return Set(names.map { $0.lowercased() })
    }

    /// What an engine, a source or a contract says of the rows, as the table that they make.
    func locked(_ rows: [ColumnSchema], contract: ContractTable?) -> [LockedColumn] {
        let classes = Dictionary(
            (contract?.columns ?? []).map { ($0.name.lowercased(), $0.classification) }, uniquingKeysWith: { first, _ in first })
        let required = required
        return (rows + (task.load.mode == .scd2 ? LoadSpec.history : [])).map { column in
            LockedColumn(
                name: column.name, type: column.type, nullable: required.contains(column.name.lowercased()) ? false : nil,
                classification: classes[column.name.lowercased()] ?? nil)
        }
    }

    /// Steps from the table itself, which builds on its last snapshot, are none.
    func locked(_ lineage: ColumnLineage) -> [LockedLineage] {
        guard lineage.isTellable else { return [] }
        func step(_ influence: ColumnLineage.Influence, to column: String) -> LockedLineage? {
            switch influence.origin {
            case .asset(let name):
                name == asset
                    ? nil
                    : LockedLineage(
                        column: column, from: name.description, kind: .asset, fromColumn: influence.column,
                        subtype: influence.kind)
            case .source(let pattern):
                LockedLineage(
                    column: column, from: pattern, kind: .source, fromColumn: influence.column, subtype: influence.kind)
            }
        }
        return lineage.columns.flatMap { column in column.influences.compactMap { step($0, to: column.name) } }
            + lineage.dataset.compactMap { step($0, to: "") }
    }

    /// Known without an engine: what an ingest writes, and what a contract says of a program's output.
    func plain(in subject: LockSubject) -> (columns: [LockedColumn], lineage: [LockedLineage])? {
        let contract = subject.contracts[asset]
        if let source = task.source { return (locked(source.stored, contract: contract), locked(source.lineage)) }
        guard task.command != nil else { return nil }
        return (contract?.locked ?? [], [])
    }
}

extension ContractTable {
    /// The columns as the contract alone gives them; none where it leaves a type open.
    var locked: [LockedColumn] {
        let locked = columns.compactMap { column in
            (column.type ?? column.logicalType?.usual).map {
                LockedColumn(
                    name: column.name, type: $0, nullable: column.isRequired ? false : nil, classification: column.classification)
            }
        }
        return locked.count == columns.count ? locked : []
    }
}
