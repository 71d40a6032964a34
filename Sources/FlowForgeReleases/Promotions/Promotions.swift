internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// Changes of environments: asked for here, carried out by ``PromotionClock``.
public struct Promotions: Sendable {
    let store: Store
    let planner: Planner
    let bell: Doorbell

    /// How long runs that go on are waited for, unless the request says otherwise.
    static let drainSeconds = 3600.0

    public init(store: Store, registry: BundleRegistry, bell: Doorbell) {
        self.store = store
        planner = Planner(store: store, registry: registry)
        self.bell = bell
    }

    /// Takes note of a change that is wanted. It waits for its gates, then for its turn. Asking for what is being
    /// done already gives the one that does it (`created` false); asking for something else of the same bundle
    /// meanwhile is refused.
    ///
    /// Throws ``APIError`` `invalid_request`, `not_found`, or `conflict`: nothing would change, a plan that has
    /// expired, another change of the bundle that has not ended.
    public func request(
        _ request: OperatorAPI.RequestPromotion, by actor: Actor
    ) async throws -> (promotion: OperatorAPI.PromotionView, created: Bool) {
        let order = try await order(request)
        let result = try await store.write { session -> (OperatorAPI.PromotionView, Bool) in
            let row: PlanRow
            if let digest = order.digest {
                row = try session.plans.required(digest)
                try session.plans.addRequester(actor.name, of: row.digest)
            } else {
                row = try Plans.keep(order.plan, by: actor, session).0
            }
            let plan = row.plan
            guard plan.expiresAt > session.now else {
                throw APIError(.conflict, "the plan has expired", hint: "make a new one with `flowforge plan`")
            }
            if let open = try session.promotions.open(environment: plan.environment, bundle: plan.bundle.name) {
                if open.plan == row.digest, open.kind == order.kind { return (try Self.view(open, session, full: true), false) }
                throw APIError(
                    .conflict, "\(open.id) is changing '\(open.bundle)' in '\(open.environment)' (\(open.state.rawValue))",
                    hint: "wait for it with `flowforge promotion watch \(open.id)`, or cancel it",
                    metadata: ["promotion": open.id.description])
            }
            guard plan.hasChanges || order.target != nil else {
                throw APIError(
                    .conflict,
                    "nothing would change: '\(plan.environment)' has \(plan.bundle.name)@\(plan.bundle.version) with these values",
                    metadata: ["reason": "unchanged"])
            }
            let computes = order.computes && !plan.content.recompute.isEmpty
            let promotion = PromotionRow(
                id: .make(at: session.now), kind: order.kind, environment: plan.environment, source: plan.source,
                bundle: plan.bundle.name, plan: row.digest,
                lifecycle: PromotionLifecycle(steps: PromotionStep.steps(of: plan.mode, computes: computes)),
                target: order.target, reason: request.reason ?? "", requestedBy: actor.description, requestedAt: session.now,
                drainSeconds: request.drainSeconds ?? Self.drainSeconds)
            try session.promotions.insert(promotion)
            try session.audit.append(
                actor: actor, action: "promotion.request", subject: plan.environment,
                detail: [
                    "promotion": .string(promotion.id.description), "kind": .string(order.kind.rawValue),
                    "plan": .string(row.digest), "bundle": .string("\(plan.bundle.name)@\(plan.bundle.version)"),
                    "reason": .string(promotion.reason),
                ])
            session.whenCommitted { [bell] in bell.ring() }
            return (try Self.view(promotion, session, full: true), true)
        }
        return result
    }

    /// What is to be done, with its plan.
    private struct Order {
        var kind: PromotionKind
        var plan: Plan
        var digest: String?
        var target: ID<Release>?
        var computes = true
    }

    private func order(_ request: OperatorAPI.RequestPromotion) async throws -> Order {
        if let seconds = request.drainSeconds, !(0...7 * 86_400).contains(seconds) {
            throw APIError(.invalidRequest, "drainSeconds must be 0 to 7 days")
        }
        guard (request.reason ?? "").utf8.count <= 1000 else {
            throw APIError(.invalidRequest, "reason is longer than 1000 bytes")
        }
        switch PromotionKind(rawValue: request.kind) {
        case .apply:
            guard let digest = request.plan else {
                throw APIError(.invalidRequest, "plan: missing", hint: "give the plan's digest")
            }
            let row = try await store.read { try $0.plans.required(digest) }
            guard row.plan.mode != .virtual || row.plan.source != nil else {
                throw APIError(
                    .conflict, "the plan is that of a return to an earlier release",
                    hint: "`flowforge rollback --env \(row.plan.environment)`")
            }
            return Order(kind: .apply, plan: row.plan, digest: row.digest, computes: request.computes ?? true)
        case .promote: return try await promote(request)
        case .rollback: return try await back(request, .rollback)
        case .demote: return try await back(request, .demote)
        case .unknown, nil:
            throw APIError(
                .invalidRequest, "kind: '\(request.kind.prefix(40))' is no kind of change",
                hint: "apply, promote, demote or rollback")
        }
    }

    private func promote(_ request: OperatorAPI.RequestPromotion) async throws -> Order {
        guard let to = request.environment, let from = request.source else {
            throw APIError(.invalidRequest, "environment and source are needed", hint: "`flowforge promote --from qa --to prod`")
        }
        let bundle = try await store.read { try $0.currentRelease(of: request.bundle, in: from).bundle }
        let plan = try await planner.plan(
            .init(environment: to, bundle: .digest(bundle.digest), mode: try Plans.mode(request.mode), source: from))
        return Order(kind: .promote, plan: plan, computes: request.computes ?? true)
    }

    /// To the release before the current one, or to the one that is named.
    private func back(_ request: OperatorAPI.RequestPromotion, _ kind: PromotionKind) async throws -> Order {
        guard let name = request.environment else { throw APIError(.invalidRequest, "environment: missing") }
        guard let reason = request.reason, !reason.isEmpty else {
            throw APIError(.invalidRequest, "reason: missing", hint: "say why, for the record: --reason \"…\"")
        }
        let target = try await store.read { session -> ReleaseRow in
            _ = try session.environments.usable(name)
            let current = try session.currentRelease(of: request.bundle, in: name)
            if let text = request.release {
                guard let id = ID<Release>(text), let row = try session.releases.find(id), row.environment == name,
                    row.bundle.name == current.bundle.name
                else {
                    throw APIError(
                        .notFound, "'\(text.prefix(80))' is no release of '\(current.bundle.name)' in '\(name)'",
                        hint: "`flowforge env releases \(name)` shows them")
                }
                guard !row.isCurrent else { throw APIError(.conflict, "\(id) is the current release") }
                guard try !Self.isUndone(row, session) else {
                    throw APIError(
                        .conflict, "the change that made \(id) was undone", hint: "`flowforge env releases \(name)` shows others")
                }
                return row
            }
            // Whoever returned to a release and returns once more wants the one before it.
            let made = try current.promotion.flatMap { try session.promotions.find($0) }
            let from = try made?.target.flatMap { try session.releases.find($0)?.serial } ?? current.serial
            let former = try session.releases.list(environment: name, bundle: current.bundle.name, limit: 200).filter {
                try $0.serial < from && !Self.isUndone($0, session)
            }
            guard let row = former.first(where: { $0.bundle.digest != current.bundle.digest }) ?? former.first else {
                throw APIError(
                    .conflict, "'\(current.bundle.name)' has no release before this one in '\(name)'",
                    hint: "there is nothing to return to")
            }
            return row
        }
        let mode = try Plans.mode(request.mode) ?? .virtual
        let plan = try await planner.plan(
            .init(
                environment: name, bundle: .digest(target.bundle.digest), mode: mode, config: target.config, isReturn: true))
        // Nothing is made anew where the tables are pointed back.
        return Order(kind: kind, plan: plan, target: target.id, computes: mode == .physical)
    }

    /// Its runs name it, so it is still there.
    private static func isUndone(_ release: ReleaseRow, _ session: Session) throws -> Bool {
        try release.promotion.flatMap { try session.promotions.find($0) }?.state == .undone
    }

    // MARK: Looking and ending

    public func show(_ id: ID<Promotion>) async throws -> OperatorAPI.PromotionView {
        try await store.read { session in try Self.view(try session.promotions.required(id), session, full: true) }
    }

    /// Newest first; `after` is the `next` of the page before.
    public func list(
        environment: String?, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.PromotionView> {
        try await store.read { session in
            let before = try after.map { text in
                guard let id = ID<Promotion>(text) else {
                    throw APIError(
                        .invalidRequest, "after: '\(text.prefix(80))' is no promotion", hint: "give the 'next' of the page before"
                    )
                }
                return id
            }
            let rows = try session.promotions.list(environment: environment, before: before, limit: limit + 1)
            let page = try rows.prefix(limit).map { try Self.view($0, session, full: false) }
            return .init(items: page, next: rows.count > limit ? page.last?.id.description : nil)
        }
    }

    /// One that has not begun ends; one that has is undone. Cancelling what has ended, or is being undone, changes nothing.
    public func cancel(_ id: ID<Promotion>, by actor: Actor) async throws -> OperatorAPI.PromotionView {
        try await store.write { session in
            let row = try session.promotions.required(id)
            var new = row
            guard new.lifecycle.cancel() else { return try Self.view(row, session, full: true) }
            new.message = "cancelled by \(actor.name)"
            try session.promotions.update(new, from: row)
            try session.audit.append(
                actor: actor, action: "promotion.cancel", subject: row.environment, detail: ["promotion": .string(id.description)]
            )
            session.whenCommitted { [bell] in bell.ring() }
            return try Self.view(new, session, full: true)
        }
    }

    static func view(_ row: PromotionRow, _ session: Session, full: Bool) throws -> OperatorAPI.PromotionView {
        let plan = try session.plans.required(row.plan)
        var view = OperatorAPI.PromotionView(
            id: row.id, kind: row.kind.rawValue, environment: row.environment, source: row.source, bundle: plan.plan.bundle,
            plan: row.plan, mode: plan.plan.mode.rawValue, state: row.state.rawValue, isFinal: row.state.isFinal,
            steps: row.lifecycle.steps.map(\.rawValue), done: row.lifecycle.done.map(\.rawValue), message: row.message,
            reason: row.reason, requestedBy: row.requestedBy, requestedAt: row.requestedAt, finishedAt: row.finishedAt,
            release: row.release, runs: try session.promotions.runs(of: row.id))
        guard full else { return view }
        view.verdicts = try PromotionGates(session: session).verdicts(of: row, plan).map { try JSONValue(encoding: $0) }
        if row.state.isFinal {
            let outputs = try session.bundles.requiredManifest(plan.plan.bundle).outputs
            let waiting = try session.publications.unconfirmed(environment: row.environment).filter(outputs.contains)
            view.unpublished = waiting.isEmpty ? nil : waiting
        }
        view.journal = try session.promotions.journal(of: row.id).map {
            .init(event: $0.event.rawValue, step: $0.step?.rawValue, message: $0.message, at: $0.at)
        }
        return view
    }
}

extension PromotionQueries {
    func required(_ id: ID<Promotion>) throws -> PromotionRow {
        guard let row = try find(id) else {
            throw APIError(.notFound, "there is no promotion \(id)", hint: "`flowforge promotion list` shows them")
        }
        return row
    }
}

/// What the gates of a change say.
struct PromotionGates {
    let session: Session

    /// A return to a release that was live in the environment passed its gates then: they are told, and stop nothing.
    func verdicts(of row: PromotionRow, _ plan: PlanRow) throws -> [GateVerdict] {
        let verdicts = try GateDesk(session: session).verdicts(of: plan)
        guard [.rollback, .demote].contains(row.kind) else { return verdicts }
        return verdicts.map { verdict in
            var told = verdict
            told.enforcement = .advisory
            return told
        }
    }
}
