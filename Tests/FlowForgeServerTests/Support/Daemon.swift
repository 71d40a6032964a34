import FlowForgeServer
import FlowForgeTestSupport
import Foundation
import Subprocess
import SystemPackage
import Testing

/// The real `flowforged serve` in a process of its own.
struct Daemon: Sendable {
    let pid: Int32
    let agentPort: Int
    let operatorPort: Int
    let log: URL

    struct Ended: Sendable {
        var status: TerminationStatus
        /// From SIGTERM to the end.
        var took: Duration
        var log: String
    }

    /// Serves an initialized data folder, runs `body` once it is ready, then sends SIGTERM and waits.
    static func serve(
        _ data: URL, environment: [String: String] = [:], _ body: @escaping @Sendable (Daemon) async throws -> Void
    ) async throws -> Ended {
        let log = data.deletingLastPathComponent().appending(path: "daemon.log")
        let descriptor = try FileDescriptor.open(
            FilePath(log.path), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        let result = try await Subprocess.run(
            .path(FilePath(Checkout.program("flowforged").path)),
            arguments: ["serve", "--config", data.appending(path: "flowforged.yaml").path],
            environment: .inherit.updating(
                Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
            platformOptions: options, input: .none, output: .discarded,
            error: .fileDescriptor(descriptor, closeAfterSpawningProcess: true)
        ) { execution in
            let ports = try await Self.ports(in: log)
            let daemon = Daemon(
                pid: execution.processIdentifier.value, agentPort: ports.agent, operatorPort: ports.operators, log: log)
            try await body(daemon)
            let stopped = ContinuousClock.now
            try execution.send(signal: .terminate)
            return stopped
        }
        return Ended(
            status: result.terminationStatus, took: ContinuousClock.now - result.closureResult,
            log: try String(contentsOf: log, encoding: .utf8))
    }

    /// From the line that says that both listeners listen.
    private static func ports(in log: URL) async throws -> (agent: Int, operators: Int) {
        func number(_ name: String, _ text: String) -> Int? {
            text.range(of: name + "=").flatMap { Int(text[$0.upperBound...].prefix { $0.isNumber }) }
        }
        var found: (Int, Int)?
        try await eventually("flowforged is ready") {
            let text = try String(contentsOf: log, encoding: .utf8)
            guard text.contains("] ready"), let agent = number("agent_port", text), let operators = number("operator_port", text)
            else { return false }
            found = (agent, operators)
            return true
        }
        return try #require(found)
    }
}
