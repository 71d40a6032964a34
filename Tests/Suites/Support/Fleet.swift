import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

/// A control plane and agents as processes of this build, for tests that end, stop and cut them off.
///
/// Every daemon that was started through it is gone when ``up(_:_:)`` returns, and the control plane's
/// history has been checked.
final class Fleet: Sendable {
    struct Settings: Sendable {
        /// In seconds; short, but for tests of the defaults, and long enough for a machine on which many tests run. That no
        /// lease is taken back for 20 s after the control plane's start is longer than both.
        var startLease = 15
        var heldLease = 15
        var hasDefaultLeases = false
        /// Whether the history is checked at the end.
        var endsSound = true
        /// Where agents reach the control plane.
        var host = "127.0.0.1"
    }

    let folder: URL
    let settings: Settings
    let agentPort: Int
    let operatorPort: Int
    private let daemons = Mutex<[Daemon]>([])
    private let current = Mutex<Daemon?>(nil)
    private let http = Mutex<OperatorClient?>(nil)

    var control: URL { folder.appending(path: "control") }
    var database: URL { control.appending(path: "flowforge.db") }
    /// Where tasks leave traces and wait for `go`.
    var ledger: URL { folder.appending(path: "ledger") }
    var agentURL: String { "https://\(settings.host):\(agentPort)" }

    private init(folder: URL, settings: Settings, ports: (Int, Int)) {
        self.folder = folder
        self.settings = settings
        (agentPort, operatorPort) = ports
    }

    /// Runs `body` while the control plane serves the bundle of ``Work`` in environment `dev`, pool `local`.
    static func up<Result: Sendable>(
        _ settings: Settings = Settings(), _ body: @Sendable @escaping (Fleet) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder { folder in
            let fleet = Fleet(folder: folder, settings: settings, ports: try FreePorts.pair())
            let outcome: Swift.Result<Result, any Error>
            do {
                try await fleet.install()
                outcome = .success(try await body(fleet))
            } catch { outcome = .failure(error) }
            await fleet.http.withLock { $0 }?.shutdown()
            for daemon in fleet.daemons.withLock({ $0 }) {
                // A stopped process cannot end by itself.
                daemon.send(SIGCONT)
                try await daemon.kill9()
            }
            if case .failure(let error) = outcome {
                for daemon in fleet.daemons.withLock({ $0 }) {
                    print("--- \(daemon.log.lastPathComponent)\n\(daemon.said.suffix(4000))")
                }
                throw error
            }
            if settings.endsSound { try await HistoryCheck.require(database: fleet.database) }
            #expect(processes(mentioning: folder.path) == [], "left behind")
            return try outcome.get()
        }
    }

    private func install() async throws {
        try FileManager.default.createDirectory(at: ledger, withIntermediateDirectories: true)
        let made = try await execute(
            Checkout.programs.appending(path: "flowforged").path,
            [
                "init", "--data", control.path, "--agent-listen", "0.0.0.0:\(agentPort)", "--operator-listen",
                "127.0.0.1:\(operatorPort)", "--host", settings.host, "--agent-url", agentURL,
                "--token-file", folder.appending(path: "token").path,
            ])
        try #require(made.status == 0, "\(made)")
        let file = control.appending(path: "flowforged.yaml")
        if !settings.hasDefaultLeases {
            try String(contentsOf: file, encoding: .utf8)
                .replacing(/start: \d+m?s?/, with: "start: \(settings.startLease)s")
                .replacing(/held: \d+m?s?/, with: "held: \(settings.heldLease)s")
                .replacing(/overdue: \d+m?s?/, with: "overdue: 2s")
                .write(to: file, atomically: true, encoding: .utf8)
        }
        try await startControlPlane()
        let ca = try String(contentsOf: control.appending(path: "ca.pem"), encoding: .utf8)
        let token = try String(contentsOf: folder.appending(path: "token"), encoding: .utf8)
        let client = try OperatorClient(
            address: try ServerAddress("https://127.0.0.1:\(operatorPort)"), trust: .pinned(ca),
            token: Secret(token.trimmingCharacters(in: .whitespacesAndNewlines)))
        http.withLock { $0 = client }
        try await flowforge(
            "login", "--url", "https://127.0.0.1:\(operatorPort)", "--token-file", folder.appending(path: "token").path,
            "--ca-file", control.appending(path: "ca.pem").path)
        try await flowforge("env", "create", "dev", "--pool", "local", "--var", "ledger=\(ledger.path)")
        try await flowforge("deploy", try Work.bundle(in: folder).path, "--env", "dev")
    }

    var client: OperatorClient { http.withLock { $0! } }
    var controlPlane: Daemon { current.withLock { $0! } }

    func startControlPlane(environment: [String: String] = [:]) async throws {
        let daemon = try start(
            "flowforged", ["serve", "--config", control.appending(path: "flowforged.yaml").path], named: "flowforged",
            environment: environment)
        try await daemon.ready()
        current.withLock { $0 = daemon }
    }

    /// Starts a program that ends with the fleet at the latest.
    func start(
        _ program: String, _ arguments: [String], named name: String, environment: [String: String] = [:],
        prefix: [String] = []
    ) throws -> Daemon {
        let daemon = try Daemon(
            program, arguments, environment: environment, log: folder.appending(path: "\(name).log"), prefix: prefix)
        daemons.withLock { $0.append(daemon) }
        return daemon
    }

    /// `flowforge …` as a logged-in owner, which must succeed.
    @discardableResult
    func flowforge(_ arguments: String...) async throws -> CommandResult {
        let result = try await execute(
            Checkout.programs.appending(path: "flowforge").path, arguments,
            environment: ["XDG_CONFIG_HOME": folder.appending(path: "config").path, "NO_COLOR": "1"])
        try #require(result.status == 0, "flowforge \(arguments.joined(separator: " ")): \(result)")
        return result
    }

    // MARK: Runs

    func run(_ flow: String) async throws -> ID<Run> {
        try await client.startRun(.init(environment: "dev", flow: flow)).run.id
    }

    /// Returns the run once it is final.
    func ended(_ run: ID<Run>, within limit: Duration = .seconds(40)) async throws -> OperatorAPI.RunView {
        try await until("run \(run) ends", within: limit, every: .milliseconds(100)) {
            let view = try await client.run(run)
            return view.state.isFinal ? view : nil
        }
    }

    /// The run's attempts at its one task, oldest first.
    func attempts(_ run: ID<Run>) async throws -> [OperatorAPI.AttemptView] {
        try await client.run(run).tasks?.flatMap(\.attempts) ?? []
    }

    func log(_ run: ID<Run>) async throws -> [String] {
        try await client.logs(of: run, limit: 500).lines.map(\.line.text)
    }

    /// Codes of what was refused under `action` so far.
    func refusals(_ action: String) async throws -> [String] {
        try await client.audit(action: action, limit: 500).items
            .filter { $0.outcome == "refused" }.compactMap { $0.detail["code"]?.string }
    }
}
