import FlowForgeClient
import FlowForgeProtocol
import Foundation
import Glibc
import Testing

/// One joined agent of a ``Fleet``: its folders, and the process if it runs.
struct FleetAgent: Sendable {
    let fleet: Fleet
    let name: String
    let state: URL
    let id: ID<Agent>
    /// A network namespace that it runs in.
    var namespace: String?
    /// Added to its configuration.
    var settings = "slots: 2"
    var grace = "20s"
    var environment: [String: String] = [:]

    var spool: URL { state.appending(path: "spool") }

    func configuration() throws -> URL {
        let file = fleet.folder.appending(path: "\(name).yaml")
        try """
        control_plane:
          url: \(fleet.agentURL)
        state_dir: \(state.path)
        lake:
          root: \(fleet.folder.appending(path: "lake").path)
        engines:
          duckdb:
            executable: \(Checkout.duckdb)
        shutdown:
          grace: \(grace)
        \(settings)
        """.write(to: file, atomically: true, encoding: .utf8)
        return file
    }

    /// Starts it, without waiting for anything.
    func launch() throws -> Daemon {
        try fleet.start(
            "flowforge-agent", ["run", "--config", try configuration().path], named: name, environment: environment,
            prefix: namespace.map { ["ip", "netns", "exec", $0] } ?? [])
    }

    /// Starts it and returns after its first poll.
    func start() async throws -> Daemon {
        let daemon = try launch()
        try await daemon.ready()
        return daemon
    }

    /// Joins with a new token; `again` keeps the id where the certificate has expired.
    static func join(
        _ fleet: Fleet, name: String, state: URL? = nil, force: Bool = false, namespace: String? = nil,
        environment: [String: String] = [:]
    ) async throws -> FleetAgent {
        let state = state ?? fleet.folder.appending(path: name)
        let grant = try await fleet.client.createJoinToken(.init(pool: "local", ttlSeconds: 600))
        let program = Checkout.programs.appending(path: "flowforge-agent").path
        let words =
            [
                "join", "--url", fleet.agentURL, "--ca-fingerprint", grant.caFingerprint, "--pool", "local", "--name", name,
                "--state-dir", state.path,
            ] + (force ? ["--force"] : [])
        let joined = try await execute(
            namespace == nil ? program : "ip", namespace.map { ["netns", "exec", $0, program] + words } ?? words,
            environment: environment.merging(["FLOWFORGE_JOIN_TOKEN": grant.token.reveal()]) { $1 })
        try #require(joined.status == 0, "\(joined)")
        let id = try #require(joined.output.firstMatch(of: /agt_[0-9a-z]+/).flatMap { ID<Agent>(String($0.0)) }, "\(joined)")
        return FleetAgent(fleet: fleet, name: name, state: state, id: id, namespace: namespace)
    }
}

extension Fleet {
    func agent(_ name: String, settings: String = "slots: 2") async throws -> FleetAgent {
        var agent = try await FleetAgent.join(self, name: name)
        agent.settings = settings
        return agent
    }
}
