public import AsyncHTTPClient
internal import FlowForgeDomain
public import FlowForgeFleet
internal import FlowForgeGovernance
public import FlowForgeProtocol
public import FlowForgeServer
public import FlowForgeStore
public import Foundation
public import Logging
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization

/// A whole control plane in this process: own CA, real TLS on ports of the kernel's choosing, a
/// database in a temporary folder.
public final class TestControlPlane: Sendable {
    public let folder: URL
    public let controlPlane: FlowForgeServer.ControlPlane
    public let agentPort: Int
    public let operatorPort: Int
    public let ownerToken: Secret
    /// PEM.
    public let caCertificate: String
    private let clients = Mutex<[HTTPClient]>([])

    public var store: Store { controlPlane.store }
    public var dataFolder: DataFolder { DataFolder(folder) }
    public var agentURL: String { "https://127.0.0.1:\(agentPort)" }
    public var operatorURL: String { "https://127.0.0.1:\(operatorPort)" }
    public var caFingerprint: String { controlPlane.caFingerprint }

    private init(
        folder: URL, controlPlane: FlowForgeServer.ControlPlane, ownerToken: Secret, agentPort: Int, operatorPort: Int
    ) throws {
        self.folder = folder
        self.controlPlane = controlPlane
        self.ownerToken = ownerToken
        self.agentPort = agentPort
        self.operatorPort = operatorPort
        caCertificate = try String(contentsOf: DataFolder(folder).caCertificate, encoding: .utf8)
    }

    /// Runs `body` against a control plane that is up, then stops it as SIGTERM would.
    public static func run<Result: Sendable>(
        storeOptions: Store.Options = Store.Options(), logger: Logger? = nil,
        configure: @Sendable (inout ServerSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (TestControlPlane) async throws -> Result
    ) async throws -> Result {
        let logger = logger ?? quietLogger()
        return try await withTemporaryFolder { parent in
            let folder = parent.appending(path: "control")
            let outcome = try await initialize(folder)
            var settings = ServerSettings(dataFolder: folder, agentURL: "https://127.0.0.1")
            settings.agentListen = ListenAddress(host: "127.0.0.1", port: 0)
            settings.operatorListen = ListenAddress(host: "127.0.0.1", port: 0)
            configure(&settings)
            let controlPlane = try FlowForgeServer.ControlPlane(
                settings: settings, storeOptions: storeOptions, logger: logger)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(services: controlPlane.lifecycle, logger: quietLogger()))
            return try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                let plane = try TestControlPlane(
                    folder: folder, controlPlane: controlPlane, ownerToken: outcome.token,
                    agentPort: try await controlPlane.agentPort, operatorPort: try await controlPlane.operatorPort)
                let result: Swift.Result<Result, any Error>
                do { result = .success(try await body(plane)) } catch { result = .failure(error) }
                for client in plane.clients.withLock({ $0 }) { try await client.shutdown() }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
                return try result.get()
            }
        }
    }

    /// A new data folder, as `flowforged init` makes it.
    public static func initialize(_ folder: URL) async throws -> Initialization.Outcome {
        try await Initialization(
            dataFolder: folder, configuration: folder.appending(path: "flowforged.yaml"), trustDomain: "test.flowforge",
            agentListen: ListenAddress(host: "127.0.0.1", port: 0), agentURL: "https://127.0.0.1",
            operatorListen: ListenAddress(host: "127.0.0.1", port: 0), hosts: ["localhost", "127.0.0.1"]
        ).run()
    }

    /// Says errors only.
    public static func quietLogger(_ level: Logger.Level = .critical) -> Logger {
        Logger(label: "test") { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }

    /// The CA itself, to issue what a well-behaved control plane would not.
    public func authority() throws -> CertificateAuthority {
        try CertificateAuthority(
            certificatePEM: caCertificate,
            keyPEM: Secret(try String(contentsOf: dataFolder.caKey, encoding: .utf8)))
    }

    /// A client that trusts this control plane's CA, and shows `certificate` (PEM) if there is one.
    public func client(certificate: String? = nil, key: String? = nil) throws -> HTTPClient {
        let client = try Self.client(trusting: caCertificate, certificate: certificate, key: key)
        clients.withLock { $0.append(client) }
        return client
    }

    /// The same against any control plane; the caller shuts the client down. All texts are PEM.
    public static func client(trusting caCertificate: String, certificate: String?, key: String?) throws -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(caCertificate.utf8)))
        if let certificate, let key {
            tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public func joinToken(pool: String = "test", ttlSeconds: Int = 600, uses: Int = 1) async throws -> OperatorAPI.JoinTokenGrant
    {
        try await JoinTokens(store: store, settings: FleetSettings(agentURL: agentURL), caFingerprint: caFingerprint)
            .create(OperatorAPI.CreateJoinToken(pool: pool, ttlSeconds: ttlSeconds, uses: uses), by: .system("test"))
    }

    public func principal(_ name: String, _ role: Role) async throws -> Secret {
        try await Principals(store: store).create(
            OperatorAPI.CreatePrincipal(name: name, role: role), by: .system("test")
        ).token
    }

    public func registry() throws -> AgentRegistry {
        AgentRegistry(
            store: store, trustDomain: "test.flowforge", settings: FleetSettings(agentURL: agentURL),
            refusals: RefusalTrail(store: store, logger: Self.quietLogger()))
    }

    /// A new agent of the pool, with a certificate.
    public func agent(pool: String = "test") async throws -> TestAgent {
        let token = try await joinToken(pool: pool)
        return try await TestAgent.join(self, token: token.token, pool: pool)
    }

    /// What was refused so far under `action`: the codes, in order.
    public func refusals(_ action: String) async throws -> [String] {
        try await store.read { try $0.audit.list(action: action, limit: 1000) }
            .filter { $0.outcome == "refused" }.compactMap { $0.detail["code"]?.string }
    }
}
