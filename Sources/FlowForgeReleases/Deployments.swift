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
    /// or binds to a value of another type, an asset that another bundle of the environment writes, and what
    /// an observer refuses.
    ///
    /// The checks, the release and its audit entry are one transaction. Runs that have started keep
    /// the bundle that they started with.
    public func deploy(
        _ request: OperatorAPI.Deploy, environment name: String, by actor: Actor
    ) async throws -> (release: OperatorAPI.ReleaseView, created: Bool) {
        guard let selector = BundleSelector(request.bundle) else {
            throw APIError(
                .invalidRequest, "bundle: '\(request.bundle.prefix(160))' is neither name@version nor a digest",
                hint: "e.g. nyc-flights@1.0.0, or at least \(BundleSelector.shortestDigest) digits of the digest")
        }
        return try await store.write { session in
            let environment = try session.environments.required(name)
            let bundle = try selector.resolve(in: session).reference
            let current = try session.releases.current(environment: name, bundle: bundle.name)
            if let current, current.bundle.digest == bundle.digest { return (OperatorAPI.ReleaseView(current), false) }
            let manifest = try session.bundles.requiredManifest(bundle)
            try Self.checkVariables(of: manifest, boundBy: environment)
            try Self.checkWriters(of: manifest, in: environment, session)
            let release = try session.releases.insert(
                ID.make(at: session.now), environment: name, bundle: bundle, by: actor.description)
            var detail: [String: JSONValue] = [
                "bundle": .string("\(bundle.name)@\(bundle.version)"), "digest": .string(bundle.digest),
                "release": .string(release.id.description), "serial": .integer(Int64(release.serial)),
            ]
            detail["replaces"] = current.map { .string($0.bundle.version) }
            try session.audit.append(actor: actor, action: "release.create", subject: name, detail: detail)
            for observer in observers { try observer.released(release, manifest, in: session) }
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

    private static func checkVariables(of manifest: Manifest, boundBy environment: EnvironmentRow) throws(APIError) {
        // The environment may bind variables of other bundles too, so only this bundle's are looked at.
        let wanted = Set(manifest.variables.map(\.name))
        do {
            _ = try ParameterBinder.bind(
                specs: manifest.variables, values: environment.variables.filter { wanted.contains($0.key) })
        } catch {
            throw APIError(
                .invalidRequest,
                "environment '\(environment.name)' does not suit \(manifest.name)@\(manifest.version): variables: \(error)",
                hint: "deploy to an environment that binds the bundle's variables, or give them defaults in flowforge.yaml")
        }
    }

    /// An asset has one writer in an environment: with two, each would publish over the other's rows.
    private static func checkWriters(of manifest: Manifest, in environment: EnvironmentRow, _ session: Session) throws {
        let outputs = manifest.outputs
        for release in try session.releases.current(environment: environment.name)
        where release.bundle.name != manifest.name {
            let shared = try session.bundles.requiredManifest(release.bundle).outputs.intersection(outputs).sorted()
            guard shared.isEmpty else {
                let names = shared.map(\.description).joined(separator: ", ")
                throw APIError(
                    .conflict,
                    """
                    \(names): already written by the bundle '\(release.bundle.name)@\(release.bundle.version)' in \
                    environment '\(environment.name)'
                    """,
                    hint: "rename the output in one of the two bundles, or deploy to another environment")
            }
        }
    }
}

extension Manifest {
    fileprivate var outputs: Set<AssetName> { Set(flows.flatMap(\.tasks).compactMap(\.output)) }
}

extension BundleQueries {
    func requiredManifest(_ bundle: BundleReference) throws -> Manifest {
        guard let manifest = try manifest(digest: bundle.digest) else {
            throw StoreError.corrupt("the manifest of \(bundle.name)@\(bundle.version) is missing")
        }
        return manifest
    }
}
