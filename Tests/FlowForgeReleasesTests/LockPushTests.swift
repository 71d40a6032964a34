import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Testing

@testable import FlowForgeBundle

struct LockPushTests {
    /// One ingest, whose columns no engine has to say.
    private func files(_ version: String, in fixture: ReleasesFixture) throws -> URL {
        let folder = fixture.folder.appending(path: "ingest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let manifest = """
            bundle: {name: ingest, version: \(version)}
            variables: {raw_dir: {type: path}}
            flows:
              main:
                tasks:
                  t:
                    layer: bronze
                    source: {format: csv, path: "${variables.raw_dir}/t.csv", columns: {n: {type: INTEGER, required: true}}}
                    output: bronze.t
            """
        try Data(manifest.utf8).write(to: folder.appending(path: "flowforge.yaml"))
        return folder
    }

    @Test func `a bundle's lock is kept with it, and its tables' columns are shown`() async throws {
        let fixture = try ReleasesFixture()
        let plain = try await fixture.push(try BundleBuilder.build(BundleFolder(try files("1.0.0", in: fixture)))).bundle
        #expect(plain.assets == nil)
        let folder = try files("1.1.0", in: fixture)
        let lock = try await LockWriter(BundleFolder(folder)).draft(asking: nil).lock
        try lock.text.write(to: folder.appending(path: BundleLock.fileName))
        let bundle = try BundleBuilder.build(BundleFolder(folder))
        let view = try await fixture.push(bundle).bundle
        #expect(view.assets?.map(\.name.description) == ["bronze.t"])
        // Read, and then from what was read before.
        for _ in 0..<2 {
            let columns = try await fixture.registry.show("ingest@1.1.0").assets?.first?.columns
            #expect(columns?.first?.name == "n" && columns?.first?.type == "INTEGER" && columns?.first?.nullable == false)
            #expect(columns?.map(\.name) == ["n"] + SourceSpec.audit.map(\.name))
            let (digest, other) = (bundle.digest, plain.bundle.digest)
            #expect(try await fixture.store.read { try $0.bundles.lock(digest: digest) } == lock)
            #expect(try await fixture.store.read { try $0.bundles.lock(digest: other) } == nil)
        }
        #expect(try await fixture.registry.list().items.allSatisfy { $0.assets == nil })
    }

    @Test func `a bundle whose lock is stale is refused, whoever packed it`() async throws {
        let fixture = try ReleasesFixture()
        let good = try fixture.pack()
        let lock = BundleLock(engine: .init(name: "duckdb", version: "1.5.5"), assets: [])
        let bundle = try PackedBundle(
            manifest: good.manifest, lock: lock,
            files: good.files + [BundleFile(path: BundleLock.fileName, isExecutable: false, contents: lock.text)])
        let error = try await #require(throws: APIError.self) { try await fixture.push(bundle) }
        #expect(error.code == .invalidBundle)
        #expect(error.message.contains("flowforge.lock: is stale: bronze.t is not in it"), "\(error)")
    }
}
