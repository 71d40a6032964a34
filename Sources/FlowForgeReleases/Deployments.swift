internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore

/// Makes bundles the current release of an environment, and tells what was deployed.
public struct Deployments: Sendable {
    let store: Store
    let observers: [any ReleaseObserver]

    /// `observers` are told of each release in its transaction, and may refuse it.
    public init(store: Store, observers: [any ReleaseObserver] = []) {
        self.store = store
        self.observers = observers
    }

    /// Deploys `name@version` or a digest (at least 12 digits of it). What is current already is
    /// returned as it is (`created` false). Refused are: a variable that the environment does not bind
    /// or binds to a value of another type, a credential that it does not declare, an asset that another bundle of
    /// the environment writes, a bundle that was demoted from it, and what an observer refuses.
    ///
    /// The checks, the release and its audit entry are one transaction. Runs that have started keep
    /// the bundle that they started with.
    public func deploy(
        _ request: OperatorAPI.Deploy, environment name: String, by actor: Actor
    ) async throws -> (release: OperatorAPI.ReleaseView, created: Bool) {
        let selector = try BundleSelector.required(request.bundle)
        return try await store.write { session in
            let environment = try session.environments.usable(name)
            guard !environment.spec.protection.requiresPlan else {
                throw APIError(
                    .conflict, "nothing is deployed to '\(name)' directly",
                    hint: "`flowforge plan --env \(name) --bundle …` and `flowforge apply`, or `flowforge promote --to \(name)`")
            }
            let bundle = try selector.resolve(in: session).reference
            if let open = try session.promotions.open(environment: name, bundle: bundle.name) {
                throw APIError(
                    .conflict, "\(open.id) is changing '\(bundle.name)' in '\(name)' (\(open.state.rawValue))",
                    hint: "wait for it: `flowforge promotion show \(open.id)`; or cancel it")
            }
            try session.plans.checkAdmitted(bundle, in: name)
            let manifest = try session.bundles.requiredManifest(bundle)
            let config = environment.releaseConfig.seen(by: manifest)
            let current = try session.releases.current(environment: name, bundle: bundle.name)
            if let current, current.bundle.digest == bundle.digest, current.config ?? config == config {
                return (OperatorAPI.ReleaseView(current), false)
            }
            if current?.bundle.digest != bundle.digest { _ = try selector.resolveForRelease(in: session) }
            let release = try ReleaseSwitch(session: session, observers: observers).perform(
                bundle, in: environment, config: config, by: actor)
            return (OperatorAPI.ReleaseView(release), true)
        }
    }

    /// The environment's releases of all bundles, newest first. `after` is the `next` of the page before.
    public func list(
        environment: String, after: String? = nil, limit: Int = 50
    ) async throws -> OperatorAPI.Page<OperatorAPI.ReleaseView> {
        try await store.read { session in
            _ = try session.environments.required(environment)
            let before = try after.map { text in
                guard let id = ID<Release>(text), try session.releases.find(id)?.environment == environment else {
                    throw APIError(
                        .invalidRequest, "after: '\(text.prefix(80))' is no release of '\(environment)'",
                        hint: "give the 'next' of the page before")
                }
                return id
            }
            let rows = try session.releases.list(environment: environment, before: before, limit: limit + 1)
            let page = rows.prefix(limit).map(OperatorAPI.ReleaseView.init)
            return OperatorAPI.Page(items: page, next: rows.count > limit ? page.last?.id.description : nil)
        }
    }
}
