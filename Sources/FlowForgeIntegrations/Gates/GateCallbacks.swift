public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Takes the answers in that other systems post later, signed instead of signed in; shows owners the secrets.
public struct GateCallbacks: Sendable {
    /// How far an answer's timestamp may be from now, either way.
    public static let tolerance = 300.0
    public static let largestBody = 64 << 10

    private let store: Store
    private let keys: GateKeys
    private let answers: any GateAnswering
    private let refusals: RefusalTrail

    public init(store: Store, keys: GateKeys, answers: any GateAnswering, refusals: RefusalTrail) {
        self.store = store
        self.keys = keys
        self.answers = answers
        self.refusals = refusals
    }

    /// What may be forged is refused in one way, whatever is wrong with it. An answer whose id was seen before
    /// changes nothing: a copy that is sent again cannot undo a later answer.
    public func deliver(_ delivery: WebhookDelivery, plan: String, gate: String) async throws -> GateAPI.Receipt {
        do {
            return try await accept(delivery, plan, gate)
        } catch let error as APIError where error.code == .unauthenticated {
            await refusals.record(
                actor: .system("gate-callback"), action: "gate.callback",
                subject: String("\(plan.prefix(80))/\(gate.prefix(64))"),
                error: error)
            throw error
        }
    }

    private func accept(_ delivery: WebhookDelivery, _ digest: String, _ gate: String) async throws -> GateAPI.Receipt {
        let (row, now) = try await store.read { session in (try session.plans.find(digest), session.now) }
        // Unknown ones cost the same as known ones.
        let isSigned = keys.signs(delivery, environment: row?.plan.environment ?? "", gate: gate)
        let spec = row?.plan.content.gates.first { $0.name == gate }
        guard isSigned, let spec, case .external = spec.rule else {
            throw APIError(
                .unauthenticated, "the answer was not accepted",
                hint: "check the address and the secret; `flowforge env gate-secret` shows it to owners")
        }
        let age = now.timeIntervalSince1970 - Double(delivery.timestamp)
        guard abs(age) <= Self.tolerance else {
            throw APIError(
                .unauthenticated, "webhook-timestamp is \(Int(abs(age))) s \(age > 0 ? "ago" : "ahead")",
                hint: "an answer is signed anew each time it is sent; compare the clocks")
        }
        let word = try Self.word(delivery.body, about: digest)
        return try await store.write { [answers] session in
            // Ids are kept for as long as a copy could pass for fresh, whichever way the clocks differ.
            let isNew = try session.gateCalls.receive(
                delivery.id, plan: digest, gate: gate, forgettingBefore: session.now - 3 * Self.tolerance)
            guard isNew else { return GateAPI.Receipt(duplicate: true) }
            try answers.answer(gate, of: digest, passed: word.passed, message: word.message, by: .gate(gate), in: session)
            try session.gateCalls.end(plan: digest, gate: gate, .answered)
            return GateAPI.Receipt(duplicate: false)
        }
    }

    private static func word(_ body: Data, about plan: String) throws(APIError) -> GateWord {
        guard let word = GateWord(body) else {
            throw APIError(
                .invalidRequest, "passed: missing, or the body is no JSON object",
                hint: #"send {"plan": "sha256:…", "passed": true, "message": "…"}"#)
        }
        guard word.plan == plan else {
            throw APIError(
                .invalidRequest, "plan: not the digest in the address", hint: "an answer is about one plan, and names it")
        }
        return word
    }

    /// The secret that the gate's system checks questions with and signs answers with. Looking is audited.
    public func secret(environment: String, gate: String, by actor: Actor) async throws -> GateAPI.SecretView {
        let url = try await store.write { session in
            guard let row = try session.environments.find(environment) else {
                throw APIError(
                    .notFound, "there is no environment '\(environment.prefix(64))'", hint: "`flowforge env list` shows them")
            }
            guard let spec = row.spec.gates.first(where: { $0.name == gate }), case .external(let rule) = spec.rule else {
                throw APIError(
                    .notFound, "'\(environment)' has no external gate '\(gate.prefix(64))'",
                    hint: "`flowforge env show \(environment)` shows its gates")
            }
            try session.audit.append(
                actor: actor, action: "gate.secret", subject: environment, detail: ["gate": .string(gate)])
            return rule.url
        }
        return GateAPI.SecretView(
            environment: environment, gate: gate, url: url, secret: keys.secret(environment: environment, gate: gate))
    }
}
