internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Which questions there are to ask, and what they say.
struct GateQuestions {
    let session: Session

    /// Changes that have not ended and whose plan has external gates that nobody answered, with the gates.
    /// A return to a former release asks nobody: its gates stop nothing.
    func wanted() throws -> [GateCallRow] {
        try session.promotions.open().filter { [.apply, .promote].contains($0.kind) }.flatMap { promotion -> [GateCallRow] in
            guard let plan = try session.plans.find(promotion.plan), plan.plan.expiresAt > session.now else { return [] }
            let gates = plan.plan.content.gates.filter { if case .external = $0.rule { true } else { false } }
            guard !gates.isEmpty else { return [] }
            let answers = try session.plans.words(.answer, of: plan.digest)
            return try gates.compactMap { gate in
                if isFresh(answers[gate.name], gate) { return nil }
                let former = try session.gateCalls.find(plan: plan.digest, gate: gate.name)
                guard former == nil || isOver(former!, for: promotion, hadAnswer: answers[gate.name] != nil) else { return nil }
                return GateCallRow(
                    id: .make(at: session.now), plan: plan.digest, gate: gate.name, promotion: promotion.id, nextAt: session.now)
            }
        }
    }

    private func isFresh(_ answer: GateFacts.Answer?, _ gate: GateSpec) -> Bool {
        guard let answer else { return false }
        return gate.validForSeconds.map { answer.at + $0 > session.now } ?? true
    }

    /// Whether somebody has answered meanwhile.
    func isAnswered(_ call: GateCallRow) throws -> Bool {
        guard let gate = try session.plans.find(call.plan)?.plan.content.gates.first(where: { $0.name == call.gate }) else {
            return false
        }
        return isFresh(try session.plans.words(.answer, of: call.plan)[call.gate], gate)
    }

    /// Whether the question is to be asked anew: it was asked for another change, which has ended, since one plan
    /// has one open change at a time; or its answer holds no more.
    private func isOver(_ call: GateCallRow, for promotion: PromotionRow, hadAnswer: Bool) -> Bool {
        switch call.state {
        case .open: false
        case .told, .givenUp: call.promotion != promotion.id
        case .answered: hadAnswer
        }
    }

    /// Why it is not asked any more; absent: it is.
    func obstacle(_ call: GateCallRow) throws -> String? {
        guard let plan = try session.plans.find(call.plan), plan.plan.expiresAt > session.now else {
            return "the plan has expired"
        }
        guard let promotion = try session.promotions.find(call.promotion), !promotion.state.isFinal else {
            return "the change has ended"
        }
        return nil
    }

    /// Absent when there is no such gate.
    func compose(_ call: GateCallRow, callbackBase: String) throws -> (url: String, question: GateAPI.Question)? {
        guard let row = try session.plans.find(call.plan), let promotion = try session.promotions.find(call.promotion),
            let gate = row.plan.content.gates.first(where: { $0.name == call.gate }), case .external(let rule) = gate.rule
        else { return nil }
        let plan = row.plan
        let tier = try session.environments.find(plan.environment)?.spec.tier ?? ""
        let details = GateAPI.Details(
            plan: row.digest, gate: gate.name, environment: plan.environment, tier: tier, bundle: plan.bundle, from: plan.from,
            source: plan.source, mode: plan.mode.rawValue, promotion: promotion.id, kind: promotion.kind.rawValue,
            requestedBy: promotion.requestedBy, requesters: try session.plans.requesters(of: row.digest).sorted(),
            reason: promotion.reason, summary: .init(plan.content), callback: callbackBase + Self.path(row.digest, gate.name),
            expiresAt: plan.expiresAt)
        return (rule.url, GateAPI.Question(timestamp: session.now, data: details))
    }

    static func path(_ plan: String, _ gate: String) -> String { "/hooks/v1/gates/\(plan)/\(gate)" }
}

extension GateAPI.Summary {
    init(_ content: PlanContent) {
        self.init(
            impact: content.impact?.rawValue,
            changes: Dictionary(grouping: content.changes, by: \.impact.rawValue).mapValues(\.count),
            configuration: content.configuration.count, downstream: content.downstream.count,
            recompute: content.recompute.count, drift: content.drift.count)
    }
}
