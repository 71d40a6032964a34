import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct BundleLockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock", abstract: "Write flowforge.lock: the columns of a bundle's tables and where they come from.",
        discussion: """
            Asks DuckDB about the bundle's SQL, with empty tables in the place of its inputs; nothing is run. Commit the \
            file: `bundle diff` and plans read it, and a bundle whose lock is stale is not packed. The columns of external \
            inputs are those of the environment's catalog, else of their contracts, else those of the lock before.

              flowforge bundle lock Examples/nyc-flights
              flowforge bundle lock Examples/nyc-flights --check
              flowforge bundle lock team/reports --env prod
            """)
    struct Locked: Encodable {
        var lock: String
        /// Tables whose columns or lineage are not those of the lock before.
        var changed: [String]
        var notes: [String]
    }
    @Argument(help: "The folder with flowforge.yaml.") var folder = "."
    @Flag(help: "Write nothing; end with exit code 1, and say what is stale, if the lock is not what would be written.")
    var check = false
    @Option(help: ArgumentHelp("The DuckDB program; else FLOWFORGE_DUCKDB, else `duckdb` of PATH.", valueName: "path"))
    var duckdb: String?
    @Option(help: ArgumentHelp("The environment whose catalog knows the external inputs.", valueName: "name")) var env: String?
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global)
        guard let env else { return try await lock(console, catalog: [:]) }
        let packed = PackedFolder(folder: folder, console: console)
        let writer = try packed.telling { () throws(BundleProblems) in try LockWriter(packed.bundle) }
        try await Remote.with(global) { remote in
            try await lock(console, catalog: try await catalog(of: writer.manifest.external, env, remote))
        }
    }

    /// An input that was never published has no columns there.
    private func catalog(of assets: [AssetName], _ env: String, _ remote: Remote) async throws -> [AssetName: [ColumnSchema]] {
        // A misspelt name is an error, and no environment in which nothing was published.
        _ = try await remote.client.environment(env)
        var found: [AssetName: [ColumnSchema]] = [:]
        for asset in assets {
            do {
                found[asset] = try await remote.client.asset(asset, environment: env).schema
            } catch let error as APIError where error.code == .notFound {
                remote.console.note("\(asset) was never published in '\(env)'")
            }
        }
        return found
    }

    private func lock(_ console: Console, catalog: [AssetName: [ColumnSchema]]) async throws {
        let packed = PackedFolder(folder: folder, console: console)
        let writer = try packed.telling { () throws(BundleProblems) in try LockWriter(packed.bundle, catalog: catalog) }
        let draft: LockWriter.Draft
        do {
            draft =
                try await writer.needsEngine
                ? DuckDBProgram.withOne(at: duckdb) { try await writer.draft(asking: $0) } : writer.draft(asking: nil)
        } catch let problems as BundleProblems {
            throw packed.tell(problems)
        }
        let file = packed.bundle.url.appending(path: BundleLock.fileName)
        let before = try? Data(contentsOf: file)
        let changed = Self.changes(from: before.flatMap { try? BundleLock(reading: $0) }, to: draft.lock)
        for note in draft.notes { console.note(note) }
        if before != draft.lock.text, !check { try DurableFile.replace(file, contents: draft.lock.text) }
        let path = folder == "." ? BundleLock.fileName : "\(folder)/\(BundleLock.fileName)"
        if console.json {
            try console.print(json: Locked(lock: path, changed: changed, notes: draft.notes))
        } else if before == draft.lock.text {
            try console.print("\(console.style.paint(console.style.tick, .green)) \(path) is what it should be.")
        } else {
            let verb = check ? "is stale" : before == nil ? "is written" : "is written anew"
            try console.print("\(path) \(verb)\(changed.isEmpty ? "." : ": \(changed.joined(separator: ", "))")")
        }
        if check, before != draft.lock.text {
            console.note("run `flowforge bundle lock \(folder)`")
            throw Ended(status: .failed)
        }
    }

    /// Names of tables that the two say different things of.
    static func changes(from before: BundleLock?, to after: BundleLock) -> [String] {
        func parts(_ lock: BundleLock?) -> [AssetName: LockedAsset] {
            let externals = (lock?.externals ?? []).map { LockedAsset(asset: $0.asset, of: "", columns: $0.columns) }
            return Dictionary(((lock?.assets ?? []) + externals).map { ($0.asset, $0) }) { first, _ in first }
        }
        let (old, new) = (parts(before), parts(after))
        return Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }.sorted().map(\.description)
    }
}
