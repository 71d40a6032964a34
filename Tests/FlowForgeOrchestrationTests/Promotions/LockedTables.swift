import FlowForgeProtocol
import Foundation

@testable import FlowForgeBundle

extension BundleLock {
    /// A lock in few words: `"gold.sums(id BIGINT, who VARCHAR:confidential) who<silver.people.name *<bronze.raw.id"`.
    /// A type may have the column's class behind it; then comes what each column is made of, `*` being all rows.
    init(_ tables: String..., externals: [String] = []) {
        let others = externals.map { LockedAsset(said: $0) }
        self.init(
            engine: .init(name: "duckdb", version: "1"), assets: tables.map { LockedAsset(said: $0) },
            externals: others.map { LockedExternal(asset: $0.asset, columns: $0.columns) })
    }

    /// As one that was written for the bundle in this very folder, so that nothing of it is stale.
    func sealed(for folder: URL) throws -> BundleLock {
        let files = try BundleFolder(folder).files()
        let read = try ManifestReader.readWithoutLock(files)
        let subject = LockSubject(read.manifest, files, contracts: read.contracts)
        var known: [AssetName: [LockedColumn]] = [:]
        for external in externals { known[external.asset] = external.columns }
        for asset in assets where asset.isKnown { known[asset.asset] = asset.columns }
        var origins: [AssetName: String] = [:]
        for output in subject.outputs {
            origins[output.asset] = LockOrigin(output, in: subject, columns: { known[$0] }).digest
        }
        return BundleLock(
            engine: engine,
            assets: assets.map {
                LockedAsset(asset: $0.asset, of: origins[$0.asset] ?? $0.of, columns: $0.columns, lineage: $0.lineage)
            }, externals: externals)
    }
}

extension LockedAsset {
    fileprivate init(said text: String) {
        let match = text.wholeMatch(of: /([a-z._0-9]+)\((.*?)\)\s*(.*)/)!.output
        let columns = match.2.split(separator: ", ").map { part in
            let words = part.split(separator: " ")
            let type = words[1].split(separator: ":")
            return LockedColumn(
                name: String(words[0]), type: String(type[0]), classification: type.count > 1 ? String(type[1]) : nil)
        }
        let lineage = match.3.split(separator: " ").map { step in
            let parts = step.split(separator: "<")
            let path = parts[1].split(separator: ".")
            let isAll = parts[0] == "*"
            return LockedLineage(
                column: isAll ? "" : String(parts[0]), from: "\(path[0]).\(path[1])", kind: .asset,
                fromColumn: String(path[2]), subtype: isAll ? .filter : .identity)
        }
        self.init(
            asset: AssetName(String(match.1))!, of: "sha256:" + String(repeating: "0", count: 64), columns: columns,
            lineage: lineage)
    }
}
