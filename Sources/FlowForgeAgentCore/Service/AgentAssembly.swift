public import FlowForgeProtocol
public import Foundation
public import Logging
import ServiceLifecycle
import UnixSignals

/// Puts an agent together from its configuration: everything that can be wrong with the machine
/// shows here, before the first poll.
public struct AgentAssembly: ~Copyable {
    public let identity: Identity
    public let configuration: AgentConfiguration
    /// What each engine was found to be, or why it cannot be offered.
    public let engines: [EngineFinding]
    private let lock: StateLock?
    private let logger: Logger

    public struct EngineFinding: Sendable {
        public var name: String
        public var result: Result<String, TaskError>
        let engine: any TaskEngine
    }

    /// - Parameter onlyChecks: looks beside an agent that may be running; ``run(environment:)`` is not for it.
    /// - Throws: ``AgentFault``, ``IdentityError``, ``StateLockError``, `DiskError`.
    public init(_ configuration: AgentConfiguration, onlyChecks: Bool = false, logger: Logger) async throws {
        let lock = onlyChecks ? nil : try StateLock(state: configuration.state)
        let identity = try IdentityFolder(state: configuration.state).load()
        if let pool = configuration.pool, pool != identity.pool {
            throw AgentFault.otherPool(configured: pool, joined: identity.pool)
        }
        guard identity.notAfter > Date() else { throw AgentFault.expired(identity.notAfter) }
        for root in [configuration.lake] + configuration.lakeRoots.values {
            try DiskFile.makeFolder(root, mode: 0o755)
            guard access(root.path, W_OK | X_OK) == 0 else { throw DiskError("write to", root) }
        }
        engines = try await Self.probe(configuration, logger: logger)
        self.lock = lock
        self.identity = identity
        self.configuration = configuration
        self.logger = logger
    }

    private static func probe(_ configuration: AgentConfiguration, logger: Logger) async throws -> [EngineFinding] {
        let host = host(configuration)
        var engines: [any TaskEngine] = []
        if configuration.duckdb != nil { engines.append(DuckDBEngine(host: host, logger: logger)) }
        if configuration.commandsEnabled {
            let pythons = try PythonEnvironments(
                folder: configuration.state.appending(path: "python"), python: configuration.python, host: host,
                environment: ProcessInfo.processInfo.environment)
            engines.append(CommandEngine(host: host, logger: logger, pythons: pythons))
        }
        var findings: [EngineFinding] = []
        for engine in engines {
            do throws(TaskError) {
                findings.append(EngineFinding(name: engine.name, result: .success(try await engine.probe()), engine: engine))
            } catch {
                findings.append(EngineFinding(name: engine.name, result: .failure(error), engine: engine))
            }
        }
        return findings
    }

    private static func host(_ configuration: AgentConfiguration) -> EngineHost {
        EngineHost(
            duckdb: configuration.duckdb ?? URL(filePath: "/usr/bin/duckdb"), extensions: configuration.extensions,
            launcher: launcher, memoryBytes: configuration.taskMemoryBytes, threads: configuration.taskThreads)
    }

    /// Installed beside this program.
    static var launcher: URL {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(filePath: own).deletingLastPathComponent().appending(path: "flowforge-launch")
    }

    /// Runs until SIGTERM, SIGINT or something that only a person can mend.
    ///
    /// - Throws: ``AgentFault/refused(_:)`` for the latter.
    public consuming func run(environment: [String: String]) async throws {
        let offers = engines.compactMap { finding -> AgentAPI.EngineOffer? in
            guard case .success(let version) = finding.result else { return nil }
            return AgentAPI.EngineOffer(name: finding.name, version: version)
        }
        guard !offers.isEmpty else { throw AgentFault.noEngine(engines.map { "\($0.name): \(Self.reason($0))" }) }
        for finding in engines {
            if case .failure(let error) = finding.result {
                logger.warning("engine not offered", metadata: ["engine": "\(finding.name)", "reason": "\(error.message)"])
            }
        }
        let state = configuration.state
        let spool = try EventSpool(folder: state.appending(path: "spool"), limits: configuration.spool)
        for finding in spool.findings { logger.error("spool repaired", metadata: ["finding": "\(finding)"]) }
        let link = try ControlPlaneLink(settings: configuration.link, identity: identity)
        do {
            try await services(spool, link, offers, environment)
        } catch {
            await link.close()
            if let error = error as? LinkError { throw AgentFault.refused(error) }
            throw error
        }
        await link.close()
        lock?.release()
    }

    private borrowing func services(
        _ spool: EventSpool, _ link: ControlPlaneLink, _ offers: [AgentAPI.EngineOffer], _ environment: [String: String]
    ) async throws {
        var logger = logger
        logger[metadataKey: "agent"] = "\(identity.agent)"
        let state = configuration.state
        let lake = LakeFolder(root: configuration.lake, roots: configuration.lakeRoots)
        let cache = try BundleCache(
            folder: state.appending(path: "bundles"), controlPlane: link, maxBytes: configuration.bundleCacheBytes,
            signatures: configuration.signatures,
            unsigned: { [logger] digest, reason in
                logger.warning("an unsigned bundle is used", metadata: ["bundle": "\(digest)", "reason": "\(reason)"])
            })
        let runner = TaskRunner(engines: engines.map(\.engine), logger: logger)
        let context = AttemptContext(
            execute: { await runner.run($0, reporting: $1) }, cache: cache, spool: spool,
            journal: try AttemptJournal(folder: state.appending(path: "attempts")), lake: lake,
            credentials: CredentialDesk(
                resolver: CredentialResolver(configuration.credentials, environment: environment, proxies: configuration.proxies),
                root: CredentialFolder.root(state: state, environment: environment)),
            workspaces: configuration.workspaces, logger: logger)
        let renewal = CertificateRenewal(folder: IdentityFolder(state: state), link: link, logger: logger)
        let watcher = FileWatcher(
            spool: spool, folders: WatchedFolders(root: lake.root, others: configuration.watchedFolders), logger: logger)
        let loop = AgentLoop(
            settings: .init(slots: configuration.slots, labels: configuration.labels, grace: configuration.grace),
            controlPlane: WatchedControlPlane(inner: link, watcher: watcher), engines: offers, context: context,
            desk: PublicationDesk(spool: spool, lake: lake, logger: logger),
            inquiries: InquiryDesk(
                lake: lake, host: offers.contains { $0.name == "duckdb" } ? Self.host(configuration) : nil,
                workspaces: configuration.workspaces, spool: spool, logger: logger), renewal: renewal.request,
            notifier: SystemNotifier(environment: environment, logger: logger))
        let sender = ReportSender(spool: spool, controlPlane: link, listener: loop, logger: logger)
        logger.info(
            "agent starts",
            metadata: [
                "name": "\(identity.name)", "pool": "\(identity.pool)", "control_plane": "\(configuration.url)",
                "slots": "\(configuration.slots)",
                "engines": "\(offers.map { "\($0.name) \($0.version)" }.joined(separator: ", "))",
                "version": "\(FlowForgeVersion.current)",
            ])
        // Stopped in reverse: first no more work, then the last reports.
        var group = ServiceGroupConfiguration(
            services: [.init(service: sender), .init(service: renewal), .init(service: watcher), .init(service: loop)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = configuration.grace + .seconds(30)
        group.maximumCancellationDuration = .seconds(15)
        try await ServiceGroup(configuration: group).run()
        logger.info("agent stopped")
    }

    static func reason(_ finding: EngineFinding) -> String {
        switch finding.result {
        case .success(let version): version
        case .failure(let error): error.hint.map { "\(error.message) (\($0))" } ?? error.message
        }
    }
}

/// Why an agent does not run, in one line.
public enum AgentFault: Error, CustomStringConvertible {
    case otherPool(configured: String, joined: String)
    case expired(Date)
    case noEngine([String])
    case refused(LinkError)

    /// By the control plane, rather than something wrong with this machine.
    public var isRefusal: Bool {
        switch self {
        case .expired, .refused: true
        case .otherPool, .noEngine: false
        }
    }

    public var description: String {
        switch self {
        case .otherPool(let configured, let joined):
            "the configuration says pool '\(configured)', but this agent joined pool '\(joined)'; change one, or join again with --force"
        case .expired(let date):
            "the agent's certificate expired at \(date.ISO8601Format()); run flowforge-agent join again with a new token (it keeps its id)"
        case .noEngine(let reasons):
            "no engine can be offered: \(reasons.isEmpty ? "none is configured under engines" : reasons.joined(separator: "; "))"
        case .refused(.certificateExpired):
            "the agent's certificate has expired; run flowforge-agent join again with a new token (it keeps its id)"
        case .refused(.refused(let error, _)) where error.code == .agentRevoked || error.code == .certificateRevoked:
            "the control plane has revoked this agent; to use the machine again, join with --force and a new token"
        case .refused(.refused(let error, _)) where error.code == .agentCloned:
            "another machine uses this agent's identity, and started later; if this machine is a copy, join it as an agent of its own with --force and a new token; if the other one is, do that there, then start this one again"
        case .refused(let error): "the control plane refuses this agent: \(error)"
        }
    }
}
