internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Works out what releasing a bundle to an environment would change. Reads only.
struct Planner: Sendable {
    let store: Store
    let registry: BundleRegistry

    /// What is asked for.
    struct Wish: Sendable {
        var environment: String
        /// Absent: the bundle that is released now, with the environment's values of now.
        var bundle: BundleSelector?
        /// Of the bundle that is meant where `bundle` is absent.
        var name: String?
        var mode: ReleaseMode?
        var source: String?
        /// Instead of the environment's: what an earlier release was applied with.
        var config: ReleaseConfig?
        /// To a release of the environment's past: it is known where its tables pointed.
        var isReturn = false
    }

    /// How long a plan can be applied.
    static let lifetime: TimeInterval = 7 * 86_400

    func plan(_ wish: Wish) async throws -> Plan {
        let ground = try await store.read { try Ground(wish, in: $0) }
        let bundle = try await registry.packed(ground.bundle.digest)
        let former =
            if let current = ground.current, current.bundle.digest != bundle.digest {
                try await registry.packed(current.bundle.digest)
            } else {
                ground.current == nil ? nil : Optional(bundle)
            }
        let draft = PlanDraft(from: former, to: bundle)
        return try await store.read { session in try Self.plan(ground, draft, former: former, bundle, wish, session) }
    }

    /// What the plan stands on.
    private struct Ground: Sendable {
        var environment: EnvironmentRow
        var bundle: BundleReference
        var current: ReleaseRow?
        var mode: ReleaseMode

        init(_ wish: Wish, in session: Session) throws {
            environment = try session.environments.usable(wish.environment)
            mode = wish.mode ?? (wish.source == nil ? .physical : environment.spec.mode)
            if let source = try wish.source.map({ try session.environments.required($0) }) {
                try Self.check(source, before: environment, mode)
            } else if mode == .virtual, !wish.isReturn {
                throw APIError(
                    .invalidRequest, "a virtual plan needs the environment whose tables it points to",
                    hint: "add --from ENVIRONMENT, or --mode physical")
            }
            if let selector = wish.bundle {
                let row = try selector.resolve(in: session)
                bundle = row.reference
                // One returns to a withdrawn version, one does not go there.
                if !wish.isReturn, try !Self.isReleased(row.reference, in: environment.name, session) {
                    _ = try selector.resolveForRelease(in: session)
                }
            } else {
                bundle = try session.currentRelease(of: wish.name, in: environment.name).bundle
            }
            current = try session.releases.current(environment: environment.name, bundle: bundle.name)
            try session.plans.checkAdmitted(bundle, in: environment.name)
        }

        private static func isReleased(_ bundle: BundleReference, in environment: String, _ session: Session) throws -> Bool {
            try session.releases.current(environment: environment, bundle: bundle.name)?.bundle.digest == bundle.digest
        }

        /// What is read of the source is part of the plan; pointers can only be moved within one lake.
        private static func check(
            _ source: EnvironmentRow, before target: EnvironmentRow, _ mode: ReleaseMode
        ) throws(APIError) {
            guard source.organisation == target.organisation else {
                throw APIError(.conflict, "'\(source.name)' and '\(target.name)' are of two organisations")
            }
            let upstream = target.spec.upstream.map(\.environment)
            guard upstream.isEmpty || upstream.contains(source.name) else {
                throw APIError(
                    .conflict, "'\(source.name)' is no upstream of '\(target.name)'",
                    hint: "promote from \(upstream.joined(separator: " or ")), or declare it in the file of '\(target.name)'")
            }
            guard mode != .virtual || (source.spec.storage == target.spec.storage && source.pool == target.pool) else {
                throw APIError(
                    .conflict,
                    "'\(source.name)' and '\(target.name)' share no storage (another \(source.pool == target.pool ? "root" : "pool"))",
                    hint: "promote with --mode physical")
            }
        }
    }

    private static func plan(
        _ ground: Ground, _ draft: PlanDraft, former: PackedBundle?, _ bundle: PackedBundle, _ wish: Wish, _ session: Session
    ) throws -> Plan {
        let environment = ground.environment
        let manifest = bundle.manifest
        var content = PlanContent()
        content.changes = draft.changes
        content.impact = draft.changes.map(\.impact).max()
        content.downstream = try Downstream(session: session, environment: environment.name).hits(
            of: draft.changes, from: former?.lock, to: bundle.lock)
        let config = (wish.config ?? environment.releaseConfig).seen(by: manifest)
        if let current = ground.current, let former {
            let applied = (current.config ?? environment.releaseConfig).seen(by: former.manifest)
            content.configuration = applied.changes(to: config)
        }
        content.recompute = try spanned(draft.recompute, manifest, environment.name, session)
        let drift = try session.drift.findings(environment: environment.name, bundle: bundle.manifest.name).map(\.finding)
        let suppressed = Set(try session.drift.suppressions(environment: environment.name).map(\.finding))
        // What the plan itself changes is said once.
        content.drift = drift.filter { $0.kind != .configuration && !suppressed.contains($0.key) }.sorted()
        content.cost = try cost(content.recompute, environment, source: wish.source, session)
        content.gates = environment.spec.gates
        return Plan(
            environment: environment.name, bundle: bundle.reference, from: ground.current?.bundle, release: ground.current?.id,
            baseSerial: environment.serial,
            mode: ground.mode, source: wish.source,
            expiresAt: Date(timeIntervalSince1970: (session.now.timeIntervalSince1970 + lifetime).rounded()), content: content)
    }

    /// A table that grows with its runs has to be made again for each of them.
    private static func spanned(
        _ recompute: [Recompute], _ manifest: Manifest, _ environment: String, _ session: Session
    ) throws -> [Recompute] {
        let tasks = manifest.flows.flatMap(\.tasks)
        let growing = Set(tasks.compactMap { $0.load.mode == .replace ? nil : $0.output })
        let flows = Set(recompute.filter { growing.contains($0.asset) }.map(\.flow))
        let spans = try Dictionary(
            uniqueKeysWithValues: flows.map { flow in
                (flow, try session.quality.span(environment: environment, bundle: manifest.name, flow: flow))
            })
        return recompute.map { recompute in
            guard growing.contains(recompute.asset), let span = spans[recompute.flow] ?? nil else { return recompute }
            var recompute = recompute
            (recompute.from, recompute.through, recompute.runs) = (span.from, span.through, span.runs)
            return recompute
        }
    }

    /// By what the same tables took in the environment, else in the one that the bundle comes from.
    private static func cost(
        _ recompute: [Recompute], _ environment: EnvironmentRow, source: String?, _ session: Session
    ) throws -> PlanCost {
        let assets = Set(recompute.map(\.asset))
        guard !assets.isEmpty else { return PlanCost() }
        var took = try session.quality.typicalSeconds(environment: environment.name, of: assets)
        for upstream in [source].compactMap(\.self) + environment.spec.upstream.map(\.environment) where took.count < assets.count
        {
            took.merge(try session.quality.typicalSeconds(environment: upstream, of: assets)) { own, _ in own }
        }
        // A tenth of a second: an estimate that differs by less is no other plan.
        let seconds = (recompute.reduce(0) { $0 + (took[$1.asset] ?? 0) * Double($1.runs) } * 10).rounded() / 10
        return PlanCost(
            seconds: seconds, amount: environment.spec.rate.map { (seconds / 3600 * $0.perHour * 10_000).rounded() / 10_000 },
            currency: environment.spec.rate?.currency, unknown: assets.filter { took[$0] == nil }.sorted())
    }
}

extension Plan {
    /// What is compared to find out whether the world has moved: without serial, expiry, what an estimate says,
    /// and how often flows have run.
    var compared: Plan {
        var plan = self
        plan.baseSerial = 0
        plan.expiresAt = Date(timeIntervalSince1970: 0)
        plan.content.cost = PlanCost()
        for number in plan.content.recompute.indices {
            let made = plan.content.recompute[number]
            plan.content.recompute[number] = Recompute(asset: made.asset, flow: made.flow, reason: made.reason)
        }
        return plan
    }

    func contentDigest() throws -> String { ContentDigest.of(try WireCoding.encode(compared)) }

    func digest() throws -> String { ContentDigest.of(try WireCoding.encode(self)) }
}
