internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Gathers the facts that gates decide by, and lets them decide.
struct GateDesk {
    let session: Session

    /// One verdict for each gate of the plan, in the order in which they are declared.
    func verdicts(of row: PlanRow) throws -> [GateVerdict] {
        let plan = row.plan
        guard !plan.content.gates.isEmpty else { return [] }
        let overrides = try session.plans.words(.override, of: row.digest)
        let facts = try facts(of: row)
        return plan.content.gates.map { gate in
            var verdict = gate.judge(facts)
            if gate.enforcement == .soft, verdict.state != .passed, let word = overrides[gate.name] {
                verdict.override = .init(by: word.by, reason: word.message, at: word.at)
            }
            return verdict
        }
    }

    private func facts(of row: PlanRow) throws -> GateFacts {
        let plan = row.plan
        let environment = try session.environments.required(plan.environment)
        var facts = GateFacts(now: session.now)
        facts.requesters = try session.plans.requesters(of: row.digest)
        facts.approvals = try session.plans.approvals(of: row.digest)
        facts.answers = try session.plans.words(.answer, of: row.digest)
        for call in try session.gateCalls.of(plan: row.digest) {
            facts.calls[call.gate] = .init(
                wasTold: call.state == .told, isGivenUp: call.state == .givenUp, error: call.lastError)
        }
        facts.residency = environment.spec.residency
        facts.ceiling = environment.spec.classification
        facts.windows = environment.spec.windows
        facts.cost = plan.content.cost
        facts.impact = plan.content.impact
        facts.changes = plan.content.changes
        facts.downstream = plan.content.downstream
        let kinds = Set(plan.content.gates.map(\.rule.kind))
        if !kinds.isDisjoint(with: ["quality", "soak"]) {
            for upstream in environment.spec.upstream {
                facts.upstreams[upstream.environment] = try upstreamFacts(upstream.environment, plan)
            }
        }
        if !kinds.isDisjoint(with: ["residency", "classification"]) { facts.placements = try placements(plan, environment) }
        if kinds.contains("data_diff") {
            facts.comparable = try comparable(plan)
            facts.comparisons = try Comparisons(session: session).facts(of: row.digest)
        }
        return facts
    }

    /// Flows that never ran are counted, too.
    private func upstreamFacts(_ name: String, _ plan: Plan) throws -> GateFacts.Upstream {
        var facts = try session.quality.upstream(environment: name, digest: plan.bundle.digest)
        for flow in try session.bundles.requiredManifest(plan.bundle).flows where facts.succeeded[flow.name] == nil {
            facts.succeeded[flow.name] = 0
        }
        return facts
    }

    private func placements(_ plan: Plan, _ environment: EnvironmentRow) throws -> [GateFacts.Placement] {
        let manifest = try session.bundles.requiredManifest(plan.bundle)
        var zone: String?
        if plan.mode == .virtual, let source = plan.source {
            // Whoever looks, the verdict is one.
            zone = try session.asPlatform { try session.environments.find(source)?.spec.residency }
        }
        let others = try session.releases.current(environment: environment.name).filter { $0.bundle.name != plan.bundle.name }
            .map { ($0.bundle, try session.bundles.requiredManifest($0.bundle)) }
        return Placements(
            manifest: manifest, lock: try session.bundles.lock(digest: plan.bundle.digest),
            own: try DeclaredLineage.edges(of: plan.bundle, manifest, in: session),
            lineage: try session.releases.lineage(environment: environment.name),
            others: try others.map { ($1, try session.bundles.lock(digest: $0.digest)) }, zone: zone
        ).all()
    }

    /// Tables that the plan makes anew or points elsewhere, and that both environments have.
    func comparable(_ plan: Plan) throws -> [AssetName] {
        guard let source = plan.source else { return [] }
        let wanted = Set(plan.content.recompute.map(\.asset))
        let here = try session.publications.pointers(environment: plan.environment, assets: wanted)
        let there = Set(try session.publications.pointers(environment: source, assets: wanted).map(\.asset))
        return here.map(\.asset).filter { there.contains($0) }
    }
}
