public import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Makes the triggers of a release live, in the transaction of the release. What the release before
/// declared and this one does not is no longer live; what both declare keeps its history, its pause
/// and, if its schedule is the same, its position. A schedule that ends or is replaced leaves nothing open:
/// what it has called for is recorded before.
public struct TriggerDeployment: ReleaseObserver {
    private let wakeUps: WakeUps

    public init(wakeUps: WakeUps) { self.wakeUps = wakeUps }

    /// Refuses a release with which flows of the environment would start each other for ever.
    public func released(_ release: ReleaseRow, _ manifest: Manifest, in session: Session) throws {
        let declared = manifest.flows.flatMap { flow in (flow.triggers ?? []).map { (flow: flow.name, spec: $0) } }
        let known = try session.triggers.list(environment: release.environment, bundle: release.bundle.name)
        guard !declared.isEmpty || !known.isEmpty else { return }
        try Self.checkCycle(release, in: session)
        guard let environment = try session.environments.find(release.environment) else {
            throw StoreError.corrupt("release \(release.id) has no environment")
        }
        for trigger in known where trigger.isLive {
            guard !declared.contains(where: { $0.flow == trigger.flow && $0.spec.name == trigger.name }) else { continue }
            try ScheduleFiring(session: session, wakeUps: wakeUps).settle(trigger)
            var gone = trigger
            gone.isLive = false
            gone.nextAt = nil
            try session.triggers.update(gone)
        }
        let config = release.config ?? environment.releaseConfig
        let values = Self.values(manifest, config)
        for (flow, spec) in declared {
            let pattern = try spec.file.map { try Self.pattern($0, values) }
            // Releasing has checked that the environment has it.
            let pool = config.pool(named: manifest.flow(flow)?.pool) ?? config.pool
            if var trigger = known.first(where: { $0.flow == flow && $0.name == spec.name }) {
                guard
                    trigger.specification != spec || !trigger.isLive || trigger.pool != pool
                        || trigger.pattern != pattern
                else { continue }
                let keepsPosition = trigger.isLive && trigger.specification.schedule == spec.schedule
                if !keepsPosition { try ScheduleFiring(session: session, wakeUps: wakeUps).settle(trigger) }
                trigger.specification = spec
                trigger.pool = pool
                trigger.pattern = pattern
                trigger.isLive = true
                try session.fileWatches.release(trigger.id)
                if !keepsPosition { trigger.position = nil }
                TriggerSchedule.arm(&trigger, at: session.now)
                try session.triggers.update(trigger)
            } else {
                var trigger = TriggerRow(
                    id: .make(at: session.now), environment: release.environment, bundle: release.bundle.name, flow: flow,
                    specification: spec, pool: pool, createdAt: session.now)
                trigger.pattern = pattern
                TriggerSchedule.arm(&trigger, at: session.now)
                try session.triggers.insert(trigger)
            }
        }
        session.whenCommitted { [wakeUps] in wakeUps.wakeTriggers() }
    }

    /// Deploying has checked that the environment binds them.
    private static func values(_ manifest: Manifest, _ config: ReleaseConfig) -> [String: JSONValue] {
        let declared = Set(manifest.variables.map(\.name))
        return
            (try? ParameterBinder.bind(
                specs: manifest.variables, values: config.variables.filter { declared.contains($0.key) })) ?? [:]
    }

    private static func pattern(_ file: FileArrivalSpec, _ values: [String: JSONValue]) throws -> String {
        guard let pattern = (try? Template(file.path))?.resolve(variables: values, parameters: [:]) else {
            throw APIError(
                .invalidRequest, "the path '\(file.path)' of a file trigger names a variable that has no value",
                hint: "bind it in the environment, or give it a default in flowforge.yaml")
        }
        return pattern
    }

    /// Looks at every bundle of the environment: flows start each other across bundles too.
    private static func checkCycle(_ release: ReleaseRow, in session: Session) throws {
        var graph = TriggerGraph()
        for current in try session.releases.current(environment: release.environment) {
            guard let manifest = try session.bundles.manifest(digest: current.bundle.digest) else {
                throw StoreError.corrupt("release \(current.id) has no bundle")
            }
            manifest.addTriggers(to: &graph)
        }
        guard let cycle = graph.cycle() else { return }
        throw APIError(
            .conflict, "flows of environment '\(release.environment)' would start each other for ever: \(cycle.arrows)",
            hint: "remove one of these triggers, in this bundle or in the other",
            metadata: ["cycle": cycle.map(\.from.description).joined(separator: " → ")])
    }
}
