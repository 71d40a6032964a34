import FlowForgeBundle
import FlowForgeCatalog
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore
import Foundation
import Logging
import Synchronization

@testable import FlowForgeOrchestration

/// A control plane to which bundles with triggers are deployed, under a clock that tests move.
struct TriggerPlane {
    let plane: ControlPlane
    let triggers: Triggers
    let clock: TriggerClock
    let figures = TriggerFigures()

    /// The fixture's clock starts here: a Friday, 2027-01-15 08:00 UTC.
    static let start = Date(timeIntervalSince1970: 1_800_000_000)

    init(pools: [String: String] = [:], fault: (@Sendable (Store.FaultPoint) throws -> Void)? = nil) async throws {
        let wakeUps = WakeUps()
        plane = try await ControlPlane(
            pools: pools, observers: [CompletionRecorder(), AssetUpdates(wakeUps: wakeUps)], fault: fault)
        triggers = Triggers(store: plane.store, wakeUps: plane.wakeUps)
        clock = TriggerClock(
            store: plane.store, wakeUps: plane.wakeUps, figures: figures,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Deploys a bundle with one flow for each name, each of one task that writes `bronze.<flow>`.
    func deploy(
        _ flows: [String: [TriggerSpec]], bundle: String = "shop", version: String = "2", parameters: [ParameterSpec] = [],
        variables: [ParameterSpec] = [], pool: String? = nil
    ) async throws {
        let manifest = Manifest(
            name: bundle, version: version, parameters: parameters, variables: variables,
            flows: flows.sorted { $0.key < $1.key }.map { name, triggers in
                FlowSpec(name: name, tasks: [task("write", output: "bronze.\(name)")], triggers: triggers, pool: pool)
            })
        let (observer, store) = (TriggerDeployment(wakeUps: plane.wakeUps), plane.store)
        try await store.write { session in
            let digest = "sha256:" + String((bundle + version + String(repeating: "0", count: 64)).prefix(64))
            let known = try session.bundles.find(digest: digest)
            let row = try known ?? session.bundles.insert(digest: digest, manifest: manifest, bytes: 1, by: "principal:test")
            let release = try session.releases.insert(
                .make(), environment: ControlPlane.environment, bundle: row.reference,
                config: try session.environments.find(ControlPlane.environment)!.releaseConfig, by: "principal:test")
            try observer.released(release, manifest, in: session)
        }
    }

    func trigger(_ name: String) async throws -> OperatorAPI.TriggerView {
        let all = try await triggers.list(environment: nil, all: true, after: nil, limit: 100).items
        guard let found = all.first(where: { $0.name == name }) else { throw APIError("test", "no trigger \(name)") }
        return found
    }

    /// Oldest first.
    func ticks(_ name: String) async throws -> [OperatorAPI.TickView] {
        let id = try await trigger(name).id
        return try await triggers.ticks(of: id, after: nil, limit: 1000).items.reversed()
    }

    /// Oldest first.
    func runs(of flow: String? = nil) async throws -> [OperatorAPI.RunView] {
        try await plane.reader.list(environment: nil, state: nil, after: nil, limit: 500).items.reversed()
            .filter { flow == nil || $0.flow == flow }
    }

    /// Works on the next task of an agent until the run has ended so.
    @discardableResult
    func finish(_ flow: String, _ outcome: Outcome = .succeeded) async throws -> OperatorAPI.RunView {
        let agent = try await plane.agent()
        let work = try await agent.take()
        guard work.flow == flow else { throw APIError("test", "expected \(flow), got \(work.flow)") }
        if outcome == .succeeded {
            try await agent.succeed(work, output: "bronze.\(flow)")
        } else {
            try await agent.report(.started(.init(pid: 1)), .finished(agent.failure()), of: work)
        }
        return try await plane.run(work.run)
    }
}

/// Throws once at a point, when armed.
final class Trap: Sendable {
    struct Planned: Error {}
    private let armed = Mutex<Store.FaultPoint?>(nil)
    func arm(_ point: Store.FaultPoint) { armed.withLock { $0 = point } }
    var isArmed: Bool { armed.withLock { $0 != nil } }
    func check(_ point: Store.FaultPoint) throws {
        let springs = armed.withLock { armed in
            guard armed == point else { return false }
            armed = nil
            return true
        }
        if springs { throw Planned() }
    }
}

func schedule(
    every seconds: Int = 60, catchUp: CatchUp.Mode = .none, cap: Int = 100, jitter: Int = 0, start: Date? = nil, end: Date? = nil
) throws -> Schedule {
    try Schedule(
        .interval(Interval(seconds: seconds)), start: start, end: end, jitterSeconds: jitter,
        catchUp: CatchUp(catchUp, windowSeconds: 86_400, cap: cap))
}

func cron(_ text: String, _ zone: String = "UTC", dst: DSTPolicy = .once) throws -> Schedule {
    try Schedule(.cron(CronExpression(text)), zone: ScheduleZone(zone), dst: dst)
}
