import FlowForgeClient
import FlowForgeProtocol
import FlowForgeTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

/// People and agents who keep a control plane busy, and remember what it has acknowledged to them.
final class ControlPlaneLoad: Sendable {
    private struct Acknowledged {
        var environments: [String] = []
        /// By idempotency key.
        var runs: [String: ID<Run>] = [:]
    }

    let fleet: Fleet
    let agents: [WireAgent]
    private let acknowledged = Mutex(Acknowledged())
    private let count = Atomic(0)
    private let isOver = Atomic(false)

    private init(fleet: Fleet, agents: [WireAgent]) {
        self.fleet = fleet
        self.agents = agents
    }

    /// Runs `body` with a load that has not begun; its agents are gone afterwards.
    static func with(_ fleet: Fleet, agents: Int = 3, _ body: (ControlPlaneLoad) async throws -> Void) async throws {
        let ca = try String(contentsOf: fleet.control.appending(path: "ca.pem"), encoding: .utf8)
        let grant = try await fleet.client.createJoinToken(.init(pool: "local", ttlSeconds: 600, uses: agents))
        var joined: [WireAgent] = []
        for index in 0..<agents {
            joined.append(
                try await WireAgent.join(
                    url: fleet.agentURL, ca: ca, token: grant.token, pool: "local", name: "wire-\(index)"))
        }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(ControlPlaneLoad(fleet: fleet, agents: joined))) } catch {
            outcome = .failure(error)
        }
        for agent in joined { try await agent.close() }
        try outcome.get()
    }

    /// Works until the control plane is gone, or `duration` is over.
    func run(_ duration: Duration) async throws {
        isOver.store(false, ordering: .relaxed)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { try await self.repeating { try await self.makeEnvironment() } } }
            for _ in 0..<2 { group.addTask { try await self.repeating { try await self.startRun() } } }
            for agent in agents { group.addTask { try await self.repeating { try await agent.step(outputs: Self.outputs) } } }
            group.addTask {
                try await Task.sleep(for: duration)
                self.isOver.store(true, ordering: .relaxed)
            }
            try await group.waitForAll()
        }
    }

    /// What was acknowledged and is not there; empty when nothing was lost.
    func lost() async throws -> [String] {
        let known = acknowledged.withLock { $0 }
        var lost: [String] = []
        let present = try await allEnvironments()
        lost += known.environments.filter { !present.contains($0) }.map { "environment \($0)" }
        for (key, run) in known.runs {
            // The same key must find the run that it started.
            let again = try await fleet.client.startRun(.init(environment: "dev", flow: flow(key), idempotencyKey: key))
            if again.run.id != run || again.created { lost.append("run \(run) of key \(key)") }
        }
        for agent in agents {
            for (attempt, run) in agent.finished {
                let view = try? await fleet.client.run(run).tasks?.flatMap(\.attempts).first { $0.id == attempt }
                if view?.state != .succeeded { lost.append("the outcome of attempt \(attempt)") }
            }
            do { try await agent.report() } catch let refused as WireAgent.Refused {
                lost.append("reports: \(refused)")
                agent.restartSpool()
            }
        }
        return lost
    }

    /// Forgets what was acknowledged until now: it was checked.
    func forget() {
        acknowledged.withLock { $0 = Acknowledged() }
        for agent in agents { agent.forget() }
    }

    var size: Int {
        acknowledged.withLock { $0.environments.count + $0.runs.count } + agents.reduce(0) { $0 + $1.finished.count }
    }

    static let outputs = ["one": AssetName("bronze.one")].compactMapValues { $0 }

    private func repeating(_ body: () async throws -> Void) async throws {
        while !isOver.load(ordering: .relaxed) {
            do { try await body() } catch let error as APIError where error.isRetryable {
                continue
            } catch let error as WireAgent.Refused where error.error.isRetryable {
                continue
            } catch let error as APIError {
                throw error
            } catch let error as WireAgent.Refused {
                throw error
            } catch {
                // Nobody answers any more.
                isOver.store(true, ordering: .relaxed)
            }
        }
    }

    private func makeEnvironment() async throws {
        let name = "e\(count.wrappingAdd(1, ordering: .relaxed).newValue)"
        _ = try await fleet.client.createEnvironment(.init(name: name, pool: "local"))
        acknowledged.withLock { $0.environments.append(name) }
    }

    private func startRun() async throws {
        let key = "k\(count.wrappingAdd(1, ordering: .relaxed).newValue)"
        let run = try await fleet.client.startRun(.init(environment: "dev", flow: flow(key), idempotencyKey: key)).run
        acknowledged.withLock { $0.runs[key] = run.id }
    }

    private func flow(_ key: String) -> String { key.hasSuffix("0") || key.hasSuffix("5") ? "writing" : "quick" }

    private func allEnvironments() async throws -> Set<String> {
        var names: Set<String> = []
        var after: String?
        repeat {
            let page = try await fleet.client.environments(after: after, limit: 500)
            names.formUnion(page.items.map(\.name))
            after = page.next
        } while after != nil
        return names
    }
}

extension Fleet {
    /// Starts `flowforged` in the place of one that has ended.
    func serve(environment: [String: String] = [:], ready: Bool = true) async throws -> Daemon {
        let daemon = try start(
            "flowforged", ["serve", "--config", control.appending(path: "flowforged.yaml").path], named: "flowforged",
            environment: environment)
        if ready { try await daemon.ready() }
        return daemon
    }

    /// The database of a control plane that does not run, looked at in a copy: as SQLite sees it, and as history.
    func requireSound(_ database: URL? = nil) async throws {
        let database = database ?? self.database
        try await withTemporaryFolder { folder in
            let copy = folder.appending(path: "flowforge.db")
            for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: database.path + suffix) {
                try FileManager.default.copyItem(atPath: database.path + suffix, toPath: copy.path + suffix)
            }
            let found = try await Disk.script("integrity", copy.path)
            guard found.isEmpty else { throw Disk.Trouble(description: "the database is damaged: \(found)") }
            try await HistoryCheck.require(database: copy)
        }
    }
}
