import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import Foundation
import Logging

/// A store and a registry in a folder of their own, removed with it.
final class ReleasesFixture: Sendable {
    let folder: URL
    let store: Store
    let registry: BundleRegistry
    let environments: Environments
    let deployments: Deployments
    let ann = Actor.principal("ann")

    init(registryFolder: URL? = nil, signatures: SignaturePolicy = SignaturePolicy(), own: [KeyRing.Entry] = []) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "flowforge-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try Store(path: folder.appending(path: "store.sqlite").path)
        registry = try BundleRegistry(
            store: store, folder: registryFolder ?? folder.appending(path: "registry"), signatures: signatures,
            own: own, logger: Logger(label: "test"))
        environments = Environments(store: store)
        deployments = Deployments(store: store)
    }

    deinit {
        try? store.close()
        try? FileManager.default.removeItem(at: folder)
    }

    var registryFolder: URL { folder.appending(path: "registry") }

    func uploads() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: registryFolder.appending(path: "uploads").path)
    }

    func blobFile(_ digest: String) -> URL {
        registryFolder.appending(path: "blobs/sha256").appending(path: digest.dropFirst(7))
    }

    func index() throws -> OCIIndex {
        try WireCoding.decode(OCIIndex.self, from: Data(contentsOf: registryFolder.appending(path: "index.json")))
    }

    func audit(_ action: String) async throws -> [OperatorAPI.AuditEntryView] {
        try await store.read { try $0.audit.list(action: action, limit: 100) }
    }

    /// A bundle of one flow with one task that writes `output`.
    func pack(
        _ name: String = "demo", version: String = "1.0.0", output: String = "bronze.t", query: String = "SELECT 1 AS n",
        variables: String = "{}", credentials: String? = nil, pool: String? = nil, more: [(name: String, contents: Data)] = []
    ) throws -> PackedBundle {
        let source = folder.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        let manifest = """
            bundle:
              name: \(name)
              version: \(version)
              description: For tests
            variables: \(variables)
            include: [\(more.map(\.name).joined(separator: ", "))]
            flows:
              main:
                tasks:
                  make:
                    layer: \(output.prefix { $0 != "." })
                    \(credentials.map { "command: [make]\n        credentials: \($0)" } ?? "sql: make.sql")
                    output: \(output)
            \(pool.map { "        pool: \($0)" } ?? "")
            """
        try Data(manifest.utf8).write(to: source.appending(path: "flowforge.yaml"))
        for file in more { try file.contents.write(to: source.appending(path: file.name)) }
        let program = source.appending(path: credentials == nil ? "make.sql" : "make")
        try Data(query.utf8).write(to: program)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
        return try BundleBuilder.build(BundleFolder(source))
    }

    func upload(_ bundle: PackedBundle) async throws {
        for blob in bundle.blobs { _ = try await registry.putBlob(blob.descriptor.digest, from: Pieces(blob.bytes)) }
    }

    @discardableResult
    func push(_ bundle: PackedBundle) async throws -> (bundle: OperatorAPI.BundleView, created: Bool) {
        try await upload(bundle)
        return try await registry.push(digest: bundle.digest, by: ann)
    }

    @discardableResult
    func createEnvironment(
        _ name: String = "dev", variables: [String: JSONValue] = [:]
    ) async throws -> (environment: OperatorAPI.EnvironmentView, created: Bool) {
        try await environments.create(
            OperatorAPI.CreateEnvironment(name: name, pool: "local", variables: variables), by: ann)
    }

    func deploy(
        _ bundle: String, to environment: String = "dev"
    ) async throws -> (release: OperatorAPI.ReleaseView, created: Bool) {
        try await deployments.deploy(OperatorAPI.Deploy(bundle: bundle), environment: environment, by: ann)
    }
}

/// A body that arrives in pieces, and may break off.
struct Pieces: AsyncSequence, Sendable {
    struct Cut: Error {}

    var pieces: [Data]
    var failure: (any Error & Sendable)?

    init(_ bytes: Data, size: Int = 1000, failure: (any Error & Sendable)? = nil) {
        pieces = stride(from: 0, to: bytes.count, by: size).map { bytes.dropFirst($0).prefix(size) }
        self.failure = failure
    }

    func makeAsyncIterator() -> Iterator { Iterator(rest: pieces[...], failure: failure) }

    struct Iterator: AsyncIteratorProtocol {
        var rest: ArraySlice<Data>
        var failure: (any Error & Sendable)?

        mutating func next() async throws -> Data? {
            if let piece = rest.popFirst() { return piece }
            if let failure { throw failure }
            return nil
        }
    }
}

/// The refusal that `body` ends in.
func refusal<T>(_ body: () async throws -> T) async -> APIError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? APIError ?? APIError("unexpected", "\(error)")
    }
}
