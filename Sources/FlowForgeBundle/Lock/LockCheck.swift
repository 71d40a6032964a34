internal import FlowForgeProtocol

extension LockSubject {
    private static let again = "run `flowforge bundle lock`"

    /// What of the lock no longer says what an engine would, found without one.
    func faults(of lock: BundleLock) -> [Problem] {
        let known = Dictionary(
            lock.externals.map { ($0.asset, $0.columns) } + lock.assets.filter(\.isKnown).map { ($0.asset, $0.columns) },
            uniquingKeysWith: { $1 })
        var locked = Dictionary(lock.assets.map { ($0.asset, $0) }, uniquingKeysWith: { $1 })
        var found: [String] = []
        for output in outputs {
            guard let asset = locked.removeValue(forKey: output.asset) else {
                found.append("\(output.asset) is not in it")
                continue
            }
            let isPlain = output.plain(in: self).map { $0.columns == asset.columns && $0.lineage.sorted() == asset.lineage }
            if asset.of != LockOrigin(output, in: self, columns: { known[$0] }).digest || isPlain == false {
                found.append("what \(output.asset) is made from has changed since it was written")
            }
        }
        found += locked.keys.sorted().map { "it has \($0), which no task writes" }
        found += lock.externals.map(\.asset).filter { !manifest.external.contains($0) }.map {
            "it has \($0), which is no external input"
        }
        return found.map { Problem(file: BundleLock.fileName, message: "is stale: \($0)", hint: Self.again) } + breaches(of: lock)
    }

    /// What contracts promise and tables do not keep.
    func breaches(of lock: BundleLock) -> [Problem] {
        contracts.values.flatMap { table in lock.columns(of: table.asset).map { breaches(of: table, by: $0) } ?? [] }.sorted()
    }

    private func breaches(of table: ContractTable, by columns: [LockedColumn]) -> [Problem] {
        let byName = Dictionary(columns.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
        let isExternal = manifest.external.contains(table.asset)
        return table.columns.compactMap { promised in
            let fault: (message: String, hint: String)
            if let column = byName[promised.name.lowercased()] {
                if let type = promised.type, type != TypeName.standard(column.type) {
                    fault = (
                        "the contract promises \(table.asset).\(promised.name) as \(type), and it is \(column.type)",
                        "CAST it, or give the contract a new version"
                    )
                } else if promised.type == nil, let type = promised.logicalType, !type.covers(TypeName.standard(column.type)) {
                    fault = (
                        "the contract promises \(table.asset).\(promised.name) as \(type.rawValue), and it is \(column.type)",
                        "CAST it, or give the contract a new version"
                    )
                } else if promised.isRequired, column.nullable != false, !isExternal {
                    fault = (
                        "the contract promises that \(table.asset).\(promised.name) has no nulls, and nothing sees to it",
                        "add the check `not_null: \(promised.name)` to the task"
                    )
                } else {
                    return nil
                }
            } else {
                fault = (
                    "the contract promises a column '\(promised.name)', which \(table.asset) does not have",
                    "its columns are \(columns.map(\.name).joined(separator: ", "))"
                )
            }
            return Problem(
                file: table.file, line: promised.position.line, column: promised.position.column, message: fault.message,
                hint: fault.hint)
        }
    }
}
