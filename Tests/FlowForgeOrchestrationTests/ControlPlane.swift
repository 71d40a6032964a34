import FlowForgeBundle
import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import Synchronization

@testable import FlowForgeOrchestration

/// The features on a real store in a folder of its own, under a clock that tests move.
final class ControlPlane: Sendable {
    static let environment = "dev"
    static let pool = "demo"

    let folder: URL
    let store: Store
    let wakeUps: WakeUps
    let starter: RunStarter
    let reader: RunReader
    let dispatcher: Dispatcher
    let intake: ReportIntake
    let reaper: LeaseReaper
    private let settings: OrchestrationSettings
    let catalog: CatalogReader
    let time: TestTime

    init(
        _ tasks: [TaskSpec] = medallion, parameters: [ParameterSpec] = [], variables: [ParameterSpec] = [],
        bound: [String: JSONValue] = [:], credentials: [String: String] = [:], pools: [String: String] = [:],
        observers: [any CompletionObserver] = [CompletionRecorder()],
        wakeUps: WakeUps = WakeUps(), fault: (@Sendable (Store.FaultPoint) throws -> Void)? = nil
    ) async throws {
        self.wakeUps = wakeUps
        folder = FileManager.default.temporaryDirectory.appending(path: "ff-orchestration-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let time = TestTime()
        self.time = time
        var options = Store.Options()
        options.now = { time.now }
        options.fault = fault
        store = try Store(path: folder.appending(path: "flowforge.db").path, options: options)
        var settings = OrchestrationSettings()
        settings.cancellationRepeat = .milliseconds(20)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        starter = RunStarter(store: store, wakeUps: wakeUps, settings: settings, logger: logger)
        reader = RunReader(store: store, wakeUps: wakeUps)
        dispatcher = Dispatcher(store: store, wakeUps: wakeUps, settings: settings, logger: logger)
        intake = ReportIntake(store: store, observers: observers, wakeUps: wakeUps, settings: settings, logger: logger)
        self.settings = settings
        reaper = LeaseReaper(store: store, wakeUps: wakeUps, settings: settings, logger: logger)
        catalog = CatalogReader(store: store)
        try await store.write { session in
            _ = try session.environments.insert(
                EnvironmentSpec(
                    name: Self.environment, pool: Self.pool,
                    config: [.init(name: "environment", values: bound.mapValues { ConfigValue($0) })], credentials: credentials,
                    pools: pools),
                by: "principal:test")
        }
        try await deploy(
            Manifest(
                name: "shop", version: "1", parameters: parameters, variables: variables,
                flows: [FlowSpec(name: "daily", tasks: tasks)]))
    }

    /// The store closes itself when the last who uses it is done, which may be later.
    deinit { try? FileManager.default.removeItem(at: folder) }

    /// One more reaper, which waits by `clock`.
    func reaper(clock: any Clock<Duration>) -> LeaseReaper {
        LeaseReaper(
            store: store, wakeUps: wakeUps, settings: settings, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func deploy(_ manifest: Manifest) async throws {
        try await store.write { session in
            let digest = "sha256:" + String((manifest.name + manifest.version + String(repeating: "0", count: 64)).prefix(64))
            let bundle = try session.bundles.insert(digest: digest, manifest: manifest, bytes: 1, by: "principal:test")
            _ = try session.releases.insert(
                .make(), environment: Self.environment, bundle: bundle.reference,
                config: try session.environments.find(Self.environment)!.releaseConfig, by: "principal:test")
        }
    }

    func agent(_ name: String = "a", pool: String = ControlPlane.pool) async throws -> TestAgent {
        let id = ID<Agent>.make()
        try await store.write { try $0.agents.insert(id, name: name, pool: pool, agentVersion: "0.1.0") }
        return TestAgent(
            plane: self,
            identity: AgentIdentity(id: id, pool: pool, certificateSerial: "00", certificateNotAfter: .distantFuture))
    }

    @discardableResult
    func start(
        parameters: [String: JSONValue] = [:], bundle: String? = nil, key: String? = nil, flow: String = "daily",
        environment: String = ControlPlane.environment
    ) async throws -> OperatorAPI.RunView {
        try await starter.start(
            OperatorAPI.StartRun(
                environment: environment, bundle: bundle, flow: flow, parameters: parameters, idempotencyKey: key),
            by: .principal("ada")
        ).run
    }

    func run(_ id: ID<Run>) async throws -> OperatorAPI.RunView { try await reader.run(id, since: nil, waiting: .zero) }

    func audited(_ action: String) async throws -> [OperatorAPI.AuditEntryView] {
        try await store.read { try $0.audit.list(action: action, limit: 100) }
    }
}

/// A clock for the store; it stands still until a test moves it.
final class TestTime: Sendable {
    private let state = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
    var now: Date { state.withLock { $0 } }
    func advance(_ seconds: Double) { state.withLock { $0.addTimeInterval(seconds) } }
}

/// raw → bronze.orders → silver.orders → gold.sales
let medallion = [
    task("ingest", layer: .bronze, output: "bronze.orders"),
    task("clean", layer: .silver, inputs: ["bronze.orders"], output: "silver.orders"),
    task("sum", layer: .gold, inputs: ["silver.orders"], output: "gold.sales"),
]

func task(
    _ name: String, layer: Layer = .bronze, inputs: [String] = [], output: String?, retries: Int = 0,
    engine: String = "duckdb"
) -> TaskSpec {
    TaskSpec(
        name: name, layer: layer, engine: engine, sql: "\(name).sql", inputs: inputs.compactMap { AssetName($0) },
        output: output.flatMap { AssetName($0) }, retry: RetrySpec(retries: retries, delaySeconds: 10))
}

extension OperatorAPI.RunView {
    func state(of task: String) -> TaskState? { tasks?.first { $0.name == task }?.state }
    func attempts(of task: String) -> [OperatorAPI.AttemptView] { tasks?.first { $0.name == task }?.attempts ?? [] }
    var states: [TaskState] { (tasks ?? []).map(\.state) }
}

extension WakeUps {
    /// Gives other tasks their turn until so many wait; the test's time limit ends it.
    func untilParked(_ count: Int) async throws {
        while parked < count {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

extension WakeUps.Signal {
    var isChange: Bool { if case .changed = self { true } else { false } }
}
