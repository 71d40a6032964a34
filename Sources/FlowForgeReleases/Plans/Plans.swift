internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Plans of environments, and what people say of them.
public struct Plans: Sendable {
    let store: Store
    let planner: Planner
    /// Told when something was said that may open a gate.
    let bell: Doorbell

    public init(store: Store, registry: BundleRegistry, bell: Doorbell) {
        self.store = store
        planner = Planner(store: store, registry: registry)
        self.bell = bell
    }

    /// Works out a plan and keeps it. One with the same content that has not expired is returned as it is
    /// (`created` false), with what was said of it: asking again voids no approval.
    public func make(
        _ request: OperatorAPI.MakePlan, environment: String, by actor: Actor
    ) async throws -> (plan: OperatorAPI.PlanView, created: Bool) {
        let plan = try await planner.plan(try wish(request, environment))
        return try await store.write { session in
            let (row, created) = try Self.keep(plan, by: actor, session)
            return (try Self.view(row, session), created)
        }
    }

    private func wish(_ request: OperatorAPI.MakePlan, _ environment: String) throws -> Planner.Wish {
        var wish = Planner.Wish(environment: environment, mode: try Self.mode(request.mode), source: request.source)
        guard let text = request.bundle else { return wish }
        if isPlainName(text, dashes: true) { wish.name = text } else { wish.bundle = try BundleSelector.required(text) }
        return wish
    }

    static func mode(_ text: String?) throws(APIError) -> ReleaseMode? {
        guard let text else { return nil }
        guard let mode = ReleaseMode(rawValue: text), mode != .unknown else {
            throw APIError(.invalidRequest, "mode: '\(text.prefix(40))' is no mode", hint: "physical or virtual")
        }
        return mode
    }

    /// In a write. Whoever asks counts as a requester, whether the plan is new or not.
    static func keep(_ plan: Plan, by actor: Actor, _ session: Session) throws -> (PlanRow, created: Bool) {
        let content = try plan.contentDigest()
        if let row = try session.plans.equal(to: content, environment: plan.environment) {
            try session.plans.addRequester(actor.name, of: row.digest)
            return (row, false)
        }
        let row = PlanRow(
            digest: try plan.digest(), contentDigest: content, plan: plan, createdAt: session.now, createdBy: actor.description)
        try session.plans.insert(row)
        try session.plans.addRequester(actor.name, of: row.digest)
        try session.audit.append(
            actor: actor, action: "plan.create", subject: plan.environment,
            detail: [
                "plan": .string(row.digest), "bundle": .string("\(plan.bundle.name)@\(plan.bundle.version)"),
                "changes": .integer(Int64(plan.content.changes.count + plan.content.configuration.count)),
            ])
        return (row, true)
    }

    public func show(_ digest: String) async throws -> OperatorAPI.PlanView {
        try await store.read { session in try Self.view(try session.plans.required(digest), session) }
    }

    /// Newest first; `after` is the `next` of the page before.
    public func list(environment: String?, after: String?, limit: Int) async throws -> OperatorAPI.Page<OperatorAPI.PlanView> {
        try await store.read { session in
            let rows = try session.plans.list(environment: environment, before: after, limit: limit + 1)
            let page = try rows.prefix(limit).map { try Self.view($0, session) }
            return .init(items: page, next: rows.count > limit ? page.last?.digest : nil)
        }
    }

    /// The caller's word on this plan; of one principal the latest counts. Whether it counts for a gate is
    /// the gate's to say.
    public func approve(
        _ digest: String, _ request: OperatorAPI.Approve, by actor: Actor
    ) async throws -> OperatorAPI.PlanView {
        let reason = request.reason ?? ""
        guard reason.utf8.count <= 1000 else { throw APIError(.invalidRequest, "reason is longer than 1000 bytes") }
        if !request.approves, reason.isEmpty {
            throw APIError(.invalidRequest, "a rejection needs a reason", hint: "say what has to change")
        }
        return try await store.write { session in
            let row = try session.plans.required(digest)
            try Self.checkOpen(row, session)
            try session.plans.decide(
                row.digest, .init(principal: actor.name, approves: request.approves, at: session.now, reason: reason))
            try session.audit.append(
                actor: actor, action: request.approves ? "plan.approve" : "plan.reject", subject: row.plan.environment,
                detail: ["plan": .string(row.digest), "reason": .string(reason)])
            session.whenCommitted { [bell] in bell.ring() }
            return try Self.view(row, session)
        }
    }

    /// Lets a soft gate pass, in the caller's name.
    public func override(
        _ gate: String, of digest: String, _ request: OperatorAPI.GateWord, by actor: Actor
    ) async throws -> OperatorAPI.PlanView {
        try await say(.override, gate, of: digest, request, by: actor) { spec in
            guard spec.enforcement == .soft else {
                throw APIError(
                    .forbidden, "gate '\(spec.name)' is \(spec.enforcement.rawValue) and cannot be overridden",
                    hint: "meet it, or have the environment's owner change it in the environment's file")
            }
        }
    }

    /// The answer of another system to an external gate.
    public func answer(
        _ gate: String, of digest: String, _ request: OperatorAPI.GateWord, by actor: Actor
    ) async throws -> OperatorAPI.PlanView {
        guard request.passed != nil else { throw APIError(.invalidRequest, "passed: missing") }
        return try await say(.answer, gate, of: digest, request, by: actor, checking: Self.checkAsks)
    }

    private static let checkAsks: @Sendable (GateSpec) throws -> Void = { spec in
        guard case .external = spec.rule else {
            throw APIError(.invalidRequest, "gate '\(spec.name)' asks no other system", hint: "it is \(spec.rule.kind)")
        }
    }

    private func say(
        _ kind: PlanQueries.WordKind, _ gate: String, of digest: String, _ request: OperatorAPI.GateWord, by actor: Actor,
        checking check: @escaping @Sendable (GateSpec) throws -> Void
    ) async throws -> OperatorAPI.PlanView {
        guard (1...1000).contains(request.message.utf8.count) else {
            throw APIError(.invalidRequest, "message must be 1 to 1000 bytes long", hint: "say why, for the record")
        }
        return try await store.write { session in
            try Self.view(try write(kind, gate, of: digest, request, by: actor, checking: check, session), session)
        }
    }

    private func write(
        _ kind: PlanQueries.WordKind, _ gate: String, of digest: String, _ request: OperatorAPI.GateWord, by actor: Actor,
        checking check: (GateSpec) throws -> Void, _ session: Session
    ) throws -> PlanRow {
        let row = try session.plans.required(digest)
        try Self.checkOpen(row, session)
        guard let spec = row.plan.content.gates.first(where: { $0.name == gate }) else {
            let names = row.plan.content.gates.map(\.name)
            throw APIError(
                .notFound, "the plan has no gate '\(gate.prefix(80))'",
                hint: Spelling.nearest(gate, among: names).map { "did you mean '\($0)'?" }
                    ?? "gates are: \(names.joined(separator: ", "))")
        }
        try check(spec)
        try session.plans.say(
            kind, of: gate, in: row.digest, passed: request.passed ?? true, by: actor.name, message: request.message)
        try session.audit.append(
            actor: actor, action: kind == .override ? "gate.override" : "gate.answer", subject: row.plan.environment,
            detail: [
                "plan": .string(row.digest), "gate": .string(gate), "passed": .bool(request.passed ?? true),
                "message": .string(request.message),
            ])
        session.whenCommitted { [bell] in bell.ring() }
        return row
    }

    private static func checkOpen(_ row: PlanRow, _ session: Session) throws(APIError) {
        guard row.plan.expiresAt > session.now else {
            throw APIError(.conflict, "the plan has expired", hint: "make a new one with `flowforge plan`")
        }
    }

    static func view(_ row: PlanRow, _ session: Session) throws -> OperatorAPI.PlanView {
        let verdicts = try GateDesk(session: session).verdicts(of: row)
        let environment = try session.environments.required(row.plan.environment)
        return OperatorAPI.PlanView(
            digest: row.digest, plan: try JSONValue(encoding: row.plan), isEmpty: row.plan.isEmpty,
            hasChanges: row.plan.hasChanges, hasDrift: !row.plan.content.drift.isEmpty, standing: verdicts.standing.rawValue,
            verdicts: try verdicts.map { try JSONValue(encoding: $0) },
            approvals: try session.plans.approvals(of: row.digest).map {
                .init(principal: $0.principal, approves: $0.approves, reason: $0.reason, at: $0.at)
            },
            createdAt: row.createdAt, createdBy: row.createdBy, expiresAt: row.plan.expiresAt,
            isCurrent: environment.serial == row.plan.baseSerial && row.plan.expiresAt > session.now)
    }
}

extension Plans: GateAnswering {
    public func answer(
        _ gate: String, of plan: String, passed: Bool, message: String, by actor: Actor, in session: Session
    ) throws {
        _ = try write(
            .answer, gate, of: plan, .init(passed: passed, message: message), by: actor, checking: Self.checkAsks, session)
    }
}

extension PlanQueries {
    /// Refuses what was demoted.
    func checkAdmitted(_ bundle: BundleReference, in environment: String) throws {
        guard let (reason, by) = try demotion(of: bundle.digest, environment: environment) else { return }
        throw APIError(
            .conflict, "\(bundle.name)@\(bundle.version) was demoted from '\(environment)' by \(by): \(reason)",
            hint: "push a corrected version and promote that")
    }

    /// By the digest, or at least twelve digits of it.
    func required(_ text: String) throws -> PlanRow {
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        guard (12...64).contains(digits.utf8.count), digits.utf8.allSatisfy(\.isLowerHexDigit) else {
            throw APIError(.invalidRequest, "'\(text.prefix(100))' is no plan's digest", hint: "give at least 12 of its digits")
        }
        let found = try matching(prefix: "sha256:\(digits)", limit: 2)
        guard found.count < 2 else {
            throw APIError(.conflict, "more than one plan's digest begins with '\(digits)'", hint: "give more of its digits")
        }
        guard let row = found.first else {
            throw APIError(
                .notFound, "there is no plan '\(text.prefix(100))' as it is given",
                hint: "a plan that was changed by hand is no plan; make one with `flowforge plan`")
        }
        return row
    }
}

extension BundleSelector {
    static func required(_ text: String) throws(APIError) -> BundleSelector {
        guard let selector = BundleSelector(text) else {
            throw APIError(
                .invalidRequest, "bundle: '\(text.prefix(160))' is neither name@version nor a digest",
                hint: "e.g. nyc-flights@1.0.0, or at least \(BundleSelector.shortestDigest) digits of the digest")
        }
        return selector
    }
}

extension Actor {
    /// A principal's name; of others the whole.
    var name: String { if case .principal(let name, _) = self { name } else { description } }
}
