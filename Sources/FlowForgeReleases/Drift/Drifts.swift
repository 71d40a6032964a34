internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// What is not as it was applied: looked for, shown, and dealt with.
public struct Drifts: Sendable {
    let store: Store
    let observers: [any ReleaseObserver]
    let runs: any PromotionRuns
    let pools: any PoolWaking
    let inspector: (any LakeInspecting)?

    /// The longest that a finding may be suppressed, in seconds.
    static let longestSuppression = 180 * 86_400.0

    public init(
        store: Store, observers: [any ReleaseObserver], runs: any PromotionRuns, pools: any PoolWaking,
        inspector: (any LakeInspecting)? = nil
    ) {
        self.store = store
        self.observers = observers
        self.runs = runs
        self.pools = pools
        self.inspector = inspector
    }

    /// Compares the environment with what was applied to it, and asks its agents about the lake; what they
    /// find is there when they have answered. Looking twice finds the same twice, not more.
    public func look(_ name: String) async throws -> OperatorAPI.DriftView {
        try await store.write { session in
            try Self.look(try session.environments.required(name), in: session, inspector)
            return try Self.view(name, session)
        }
    }

    static func look(_ environment: EnvironmentRow, in session: Session, _ inspector: (any LakeInspecting)?) throws {
        let look = try DriftLook(session: session, environment: environment)
        let releases = try session.releases.current(environment: environment.name)
        // While a change is applied, nothing is as it was or will be.
        guard try !session.promotions.isBusy(environment.name) else { return }
        let lake = try inspector?.findings(environment: environment, in: session)
        for release in releases {
            let outputs = Set(try session.bundles.requiredManifest(release.bundle).outputs.map(\.description))
            let kept =
                try lake?.filter { outputs.contains($0.name) }
                ?? session.drift.findings(environment: environment.name, bundle: release.bundle.name).map(\.finding)
                .filter { [.snapshot, .files, .asset].contains($0.kind) && $0.expected != nil }
            let found = try look.findings(of: release) + kept
            let unique = Dictionary(found.map { ($0.key, $0) }) { first, _ in first }.values.sorted()
            try session.drift.replace(unique, environment: environment.name, bundle: release.bundle.name)
        }
        try session.drift.forget(environment: environment.name, but: releases.map(\.bundle.name))
        let inquiry = try inspector?.ask(environment: environment, in: session)
        try session.drift.looked(
            environment: environment.name, inquiry: inquiry ?? session.drift.look(environment: environment.name)?.inquiry)
    }

    /// What the last look found; the first time it looks.
    public func show(_ name: String) async throws -> OperatorAPI.DriftView {
        let known = try await store.read { session in
            _ = try session.environments.required(name)
            return try session.drift.look(environment: name) == nil ? nil : try Self.view(name, session)
        }
        if let known { return known }
        return try await look(name)
    }

    /// Leaves a finding alone for a time, in the caller's name.
    public func suppress(
        _ key: String, of name: String, _ request: OperatorAPI.SuppressDrift, by actor: Actor
    ) async throws -> OperatorAPI.DriftView {
        guard (1...1000).contains(request.reason.utf8.count) else {
            throw APIError(.invalidRequest, "reason must be 1 to 1000 bytes long", hint: "say why it may stay so")
        }
        return try await store.write { session in
            let finding = try Self.required(key, of: name, session).finding
            guard request.until > session.now, request.until.timeIntervalSince(session.now) <= Self.longestSuppression else {
                throw APIError(.invalidRequest, "until: a suppression ends, within 180 days from now")
            }
            try session.drift.suppress(
                .init(finding: finding.key, owner: actor.name, reason: request.reason, until: request.until), environment: name)
            try session.audit.append(
                actor: actor, action: "drift.suppress", subject: name,
                detail: [
                    "finding": .string(finding.key), "reason": .string(request.reason),
                    "until": .string(WireCoding.text(request.until)),
                ])
            return try Self.view(name, session)
        }
    }

    public func unsuppress(_ key: String, of name: String, by actor: Actor) async throws -> OperatorAPI.DriftView {
        try await store.write { session in
            _ = try session.environments.required(name)
            if try session.drift.unsuppress(key, environment: name) {
                try session.audit.append(
                    actor: actor, action: "drift.unsuppress", subject: name, detail: ["finding": .string(key)])
            }
            return try Self.view(name, session)
        }
    }

    /// Makes what was found what is wanted from now on.
    public func adopt(_ key: String, of name: String, by actor: Actor) async throws -> OperatorAPI.DriftView {
        try await mend(key, of: name, "adopt", by: actor) { mending in try mending.adopt() }
    }

    /// Makes it again as it was applied.
    public func revert(_ key: String, of name: String, by actor: Actor) async throws -> OperatorAPI.DriftView {
        try await mend(key, of: name, "revert", by: actor) { mending in try mending.revert() }
    }

    private func mend(
        _ key: String, of name: String, _ verb: String, by actor: Actor,
        _ body: @escaping @Sendable (DriftMending) throws -> String
    ) async throws -> OperatorAPI.DriftView {
        try await store.write { session in
            let environment = try session.environments.usable(name)
            let found = try Self.required(key, of: name, session)
            guard let release = try session.releases.current(environment: name, bundle: found.bundle) else {
                throw APIError(.conflict, "'\(found.bundle)' is no longer released to '\(name)'")
            }
            let done = try body(
                DriftMending(
                    session: session, environment: environment, release: release, finding: found.finding, observers: observers,
                    runs: runs, pools: pools, actor: actor))
            try session.audit.append(
                actor: actor, action: "drift.\(verb)", subject: name,
                detail: ["finding": .string(found.finding.key), "done": .string(done)])
            try session.drift.remove(found.finding.key, environment: name, bundle: found.bundle)
            return try Self.view(name, session)
        }
    }

    private static func required(_ key: String, of name: String, _ session: Session) throws -> DriftQueries.Found {
        _ = try session.environments.required(name)
        let all = try session.drift.findings(environment: name)
        guard let found = all.first(where: { $0.finding.key == key }) else {
            throw APIError(
                .notFound, "there is no finding '\(key.prefix(160))' in '\(name)'",
                hint: Spelling.nearest(key, among: all.map(\.finding.key)).map { "did you mean '\($0)'?" }
                    ?? "`flowforge drift show --env \(name)` lists them")
        }
        return found
    }

    static func view(_ name: String, _ session: Session) throws -> OperatorAPI.DriftView {
        let suppressed = Dictionary(try session.drift.suppressions(environment: name).map { ($0.finding, $0) }) { $1 }
        return OperatorAPI.DriftView(
            environment: name, lookedAt: try session.drift.look(environment: name)?.at,
            findings: try session.drift.findings(environment: name).map { found in
                let suppression = suppressed[found.finding.key]
                return .init(
                    key: found.finding.key, bundle: found.bundle, kind: found.finding.kind.rawValue, name: found.finding.name,
                    message: found.finding.message, expected: found.finding.expected, found: found.finding.found,
                    since: found.since,
                    suppression: suppression.map { .init(owner: $0.owner, reason: $0.reason, until: $0.until) })
            })
    }
}

/// Asks agents what they see in the lake.
public protocol LakeInspecting: Sendable {
    /// What the answer to the last question says; `nil` where it has not come yet.
    func findings(environment: EnvironmentRow, in session: Session) throws -> [DriftFinding]?

    /// Asks anew; returns the question's id, `nil` where one is open.
    func ask(environment: EnvironmentRow, in session: Session) throws -> String?
}
