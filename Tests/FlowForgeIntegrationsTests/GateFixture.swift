import AsyncHTTPClient
import Crypto
import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeReleases
import FlowForgeStore
import FlowForgeTestValues
import Foundation
import Logging
import Synchronization

@testable import FlowForgeIntegrations

/// A store with an environment whose gates ask another system, a plan, and a change that waits for them.
final class GateFixture: Sendable {
    static let canary: Int64 = 424_242_424_242
    static let gate = "change-record"

    let folder: URL
    let ann = Actor.principal("ann")
    let keys = GateKeys(key: Data(repeating: 7, count: 32))
    private let time: Mutex<Date>
    private let opened: Mutex<Store>
    private let faults = Mutex(false)

    var store: Store { opened.withLock { $0 } }
    var now: Date { time.withLock { $0 } }
    func pass(_ seconds: Double) { time.withLock { $0 += seconds } }
    /// From the next write on none is committed.
    func failWrites(_ fails: Bool) { faults.withLock { $0 = fails } }

    struct Planned: Error {}

    private init() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ff-gates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        self.folder = folder
        time = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
        opened = Mutex(try Store(path: folder.appending(path: "flowforge.db").path))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func make() async throws -> GateFixture {
        let fixture = try GateFixture()
        try fixture.reopen()
        return fixture
    }

    /// As a restart does.
    func reopen() throws {
        try store.close()
        var options = Store.Options()
        options.now = { [weak self] in self?.now ?? Date() }
        options.fault = { [weak self] point in
            if point == .beforeCommit, self?.faults.withLock({ $0 }) == true { throw Planned() }
        }
        let path = folder.appending(path: "flowforge.db").path
        try opened.withLock { $0 = try Store(path: path, options: options) }
    }

    var features: (plans: Plans, promotions: Promotions, environments: Environments) {
        get throws {
            let registry = try BundleRegistry(store: store, folder: folder.appending(path: "registry"), logger: Self.quiet)
            let bell = Doorbell()
            return (
                Plans(store: store, registry: registry, bell: bell),
                Promotions(store: store, registry: registry, bell: bell), Environments(store: store)
            )
        }
    }

    /// A plan for `prod`, which asks `url`, and a change by it that waits.
    func begin(_ url: String, version: String = "1.0.0", enforcement: GateSpec.Enforcement = .hard, validFor: Double? = nil)
        async throws -> (plan: String, promotion: ID<Promotion>)
    {
        let (plans, promotions, environments) = try features
        let spec = EnvironmentSpec(
            name: "prod", tier: "prod", pool: "p",
            config: [.init(name: "environment", values: ["canary": ConfigValue(.integer(Self.canary))])],
            protection: .init(gates: [
                GateSpec(name: Self.gate, enforcement: enforcement, validForSeconds: validFor, rule: .external(.init(url: url))),
                GateSpec(name: "eyes", enforcement: .advisory, rule: .approval(.init())),
            ]))
        _ = try await environments.apply(.init(spec: try JSONValue(encoding: spec)), name: "prod", by: ann)
        let bundle = try pack(version)
        let registry = try BundleRegistry(store: store, folder: folder.appending(path: "registry"), logger: Self.quiet)
        for blob in bundle.blobs { _ = try await registry.putBlob(blob.descriptor.digest, from: Whole(blob.bytes)) }
        _ = try await registry.push(digest: bundle.digest, by: ann)
        let plan = try await plans.make(.init(bundle: bundle.digest), environment: "prod", by: ann).plan.digest
        let promotion = try await promotions.request(.init(kind: "apply", plan: plan, reason: "release day"), by: ann).promotion
        return (plan, promotion.id)
    }

    private func pack(_ version: String) throws -> PackedBundle {
        let source = folder.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        let manifest = """
            bundle: {name: demo, version: \(version)}
            variables: {canary: {type: integer, default: 1}}
            flows:
              main:
                tasks:
                  make: {layer: bronze, sql: make.sql, output: bronze.t}
            """
        try Data(manifest.utf8).write(to: source.appending(path: "flowforge.yaml"))
        try Data("SELECT 1 AS n".utf8).write(to: source.appending(path: "make.sql"))
        return try BundleBuilder.build(BundleFolder(source))
    }

    /// A caller that knows only what the store has.
    func caller(_ change: (inout GateCaller.Settings) -> Void = { _ in }) throws -> GateCaller {
        var settings = GateCaller.Settings()
        settings.timeout = 5
        settings.draw = { $0 }
        change(&settings)
        return GateCaller(
            store: store, keys: keys, bell: Doorbell(), answers: try features.plans, callbackBase: "https://control.example",
            settings: settings, logger: Self.quiet)
    }

    func advance(_ caller: GateCaller? = nil) async throws {
        let caller = try caller ?? self.caller()
        let client = GateCaller.client()
        do { _ = try await caller.advance(client) } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    func callbacks() throws -> GateCallbacks {
        GateCallbacks(
            store: store, keys: keys, answers: try features.plans, refusals: RefusalTrail(store: store, logger: Self.quiet))
    }

    /// What the gate says of the plan.
    func verdict(_ plan: String) async throws -> GateVerdict {
        let view = try await features.plans.show(plan)
        return try view.verdicts.map { try $0.decoded(as: GateVerdict.self) }.first { $0.gate == Self.gate }!
    }

    func call(_ plan: String) async throws -> GateCallRow? {
        try await store.read { try $0.gateCalls.find(plan: plan, gate: Self.gate) }
    }

    /// An answer as another system signs it, written from the specification, not with ``GateKeys``.
    func signed(
        _ body: String, id: String = "a1", secret: Secret? = nil, at offset: Double = 0
    ) throws -> WebhookDelivery {
        let secret = (secret ?? keys.secret(environment: "prod", gate: Self.gate)).reveal()
        let key = SymmetricKey(data: Data(base64Encoded: String(secret.dropFirst("whsec_".count)))!)
        let seconds = String(Int64(now.timeIntervalSince1970 + offset))
        let code = HMAC<SHA256>.authenticationCode(for: Data("\(id).\(seconds).\(body)".utf8), using: key)
        return try WebhookDelivery(
            id: id, timestamp: seconds, signature: "v1,\(Data(code).base64EncodedString())", body: Data(body.utf8))
    }
}
