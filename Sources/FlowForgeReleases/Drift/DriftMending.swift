internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// Deals with one finding, in one transaction.
struct DriftMending {
    let session: Session
    let environment: EnvironmentRow
    let release: ReleaseRow
    let finding: DriftFinding
    let observers: [any ReleaseObserver]
    let runs: any PromotionRuns
    let pools: any PoolWaking
    let actor: Actor

    /// Returns what was done, for the record.
    func adopt() throws -> String {
        switch finding.kind {
        case .configuration:
            try checkFree(hint: "`flowforge plan --env \(environment.name)`, then `flowforge apply`")
            return try adoptConfiguration()
        case .schedule:
            throw APIError(
                .conflict, "a schedule is the bundle's to say",
                hint: "change it in flowforge.yaml and release that; or `flowforge drift suppress '\(finding.key)' …`")
        case .snapshot:
            try checkFree(hint: "`flowforge drift revert '\(finding.key)'`, and promote what it should be")
            return try adoptSnapshot()
        case .schema, .files, .agent, .asset, .unknown:
            throw APIError(
                .conflict, "this cannot be adopted: \(finding.message)",
                hint: "`flowforge drift revert '\(finding.key)'` puts it right, `drift suppress` leaves it for a time")
        }
    }

    func revert() throws -> String {
        switch finding.kind {
        case .configuration: return try revertConfiguration()
        case .schedule: return try revertSchedule()
        case .snapshot: return try republish()
        case .asset, .schema, .files: return try compute()
        case .unknown: throw APIError(.conflict, "this cannot be reverted: \(finding.message)")
        case .agent:
            guard let run = ID<Run>(finding.name) else { throw APIError(.conflict, "'\(finding.name)' is no run") }
            try runs.cancel(run, by: actor, in: session)
            return "\(run) is cancelled"
        }
    }

    /// What is found becomes what is wanted without a plan, so no gate may be asked for one.
    private func checkFree(hint: String) throws {
        guard !environment.spec.protection.requiresPlan else {
            throw APIError(.conflict, "what '\(environment.name)' has changes by a plan only", hint: hint)
        }
        if let open = try session.promotions.open(environment: environment.name, bundle: release.bundle.name) {
            throw APIError(
                .conflict, "\(open.id) is changing '\(open.bundle)' in '\(environment.name)'", hint: "wait for it, or cancel it")
        }
    }

    /// Releases what is released with the values of now.
    private func adoptConfiguration() throws -> String {
        let manifest = try session.bundles.requiredManifest(release.bundle)
        let new = try ReleaseSwitch(session: session, observers: observers).perform(
            release.bundle, in: environment, config: environment.releaseConfig.seen(by: manifest), by: actor)
        return "\(new.id) has the values of now"
    }

    /// Puts the value back into the environment's declaration.
    private func revertConfiguration() throws -> String {
        guard let applied = release.config else { throw APIError(.conflict, "the release does not say what it was applied with") }
        var spec = environment.spec
        var overrides = environment.overrides
        let parts = finding.name.split(separator: ".", maxSplits: 1).map(String.init)
        switch parts.first {
        case "variable" where parts.count == 2:
            let name = parts[1]
            overrides[name] = nil
            if EffectiveConfig(spec.config, overrides: overrides).values[name] != applied.variables[name] {
                var own =
                    spec.config.last?.name == "environment" ? spec.config.removeLast() : .init(name: "environment", values: [:])
                own.values[name] = applied.variables[name].map { ConfigValue($0, type: own.values[name]?.type) }
                spec.config.append(own)
            }
        case "credential" where parts.count == 2: spec.credentials[parts[1]] = applied.credentials[parts[1]]
        case "pool" where finding.name == "pool.\(EnvironmentSpec.ownPool)": spec.pool = applied.pool
        case "pool" where parts.count == 2:
            var pools = spec.pools ?? [:]
            pools[parts[1]] = applied.pools?[parts[1]]
            spec.pools = pools
        default: throw APIError(.conflict, "'\(finding.name)' is not known here")
        }
        _ = try session.environments.update(environment, spec: spec, overrides: overrides)
        return "the declaration of '\(environment.name)' has the applied value again; change its file as well"
    }

    /// The triggers of the release are made live again as it declares them, and let go on.
    private func revertSchedule() throws -> String {
        let manifest = try session.bundles.requiredManifest(release.bundle)
        for trigger in try session.triggers.list(environment: environment.name, bundle: release.bundle.name)
        where "\(trigger.flow).\(trigger.name)" == finding.name && trigger.pausedAt != nil {
            try runs.resume(trigger.id, by: actor, in: session)
        }
        for observer in observers { try observer.released(release, manifest, in: session) }
        return "trigger '\(finding.name)' is as the bundle declares it"
    }

    /// Writes the pointer once more, above what was found.
    private func republish() throws -> String {
        guard let asset = AssetName(finding.name),
            let current = try session.publications.current(environment: environment.name, asset: asset)
        else { throw APIError(.conflict, "\(finding.name) has no snapshot to return to", hint: "start its flow") }
        try point(asset, at: current)
        return "\(asset) points at \(current.id) again"
    }

    private func adoptSnapshot() throws -> String {
        guard let asset = AssetName(finding.name), let id = finding.found?["snapshot"]?.string.flatMap({ ID<Snapshot>($0) }),
            let found = try session.assets.snapshot(id, of: asset, environment: environment.name)
        else {
            throw APIError(.conflict, "what was found is no known snapshot: \(finding.message)", hint: "revert it")
        }
        try point(asset, at: found)
        return "\(asset) points at \(found.id)"
    }

    private func point(_ asset: AssetName, at snapshot: SnapshotReference) throws {
        let published = try session.publications.point(
            snapshot, of: asset, environment: environment.name, pool: environment.pool, offerAt: session.now,
            above: finding.found?["version"]?.integer.map { Int(clamping: $0) } ?? 0)
        try session.assets.point(published, of: asset, environment: environment.name)
        session.whenCommitted { [pools, environment] in pools.wake(pool: environment.pool) }
    }

    private func compute() throws -> String {
        guard let asset = AssetName(finding.name) else { throw APIError(.conflict, "'\(finding.name)' is no table") }
        let manifest = try session.bundles.requiredManifest(release.bundle)
        guard let flow = manifest.flows.first(where: { flow in flow.tasks.contains { $0.output == asset } }) else {
            throw APIError(.conflict, "no flow of '\(release.bundle.name)' writes \(asset)")
        }
        let run = try runs.start(
            FlowReference(environment: environment.name, bundle: release.bundle.name, flow: flow.name), by: actor, in: session)
        return "\(run) makes it again"
    }
}
