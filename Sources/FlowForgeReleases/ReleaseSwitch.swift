internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// Makes a bundle the current release of an environment, with everything that follows from it, in one
/// transaction: the release, where the former one's tables pointed, its lineage, its triggers.
struct ReleaseSwitch {
    let session: Session
    let observers: [any ReleaseObserver]

    func perform(
        _ bundle: BundleReference, in environment: EnvironmentRow, config: ReleaseConfig, mode: ReleaseMode = .physical,
        promotion: ID<Promotion>? = nil, by actor: Actor
    ) throws -> ReleaseRow {
        let manifest = try session.bundles.requiredManifest(bundle)
        try Self.checkVariables(of: manifest, boundBy: config, environment.name)
        try Self.checkCredentials(of: manifest, declaredBy: config, environment.name)
        try Self.checkPools(of: manifest, declaredBy: config, environment.name)
        try Self.checkWriters(of: manifest, in: environment, session)
        let former = try session.releases.current(environment: environment.name, bundle: bundle.name)
        if let former { try keepPointers(of: former) }
        let release = try session.releases.insert(
            ID.make(at: session.now), environment: environment.name, bundle: bundle, config: config, mode: mode,
            promotion: promotion, by: actor.description)
        var detail: [String: JSONValue] = [
            "bundle": .string("\(bundle.name)@\(bundle.version)"), "digest": .string(bundle.digest),
            "release": .string(release.id.description), "serial": .integer(Int64(release.serial)),
        ]
        detail["replaces"] = former.map { .string($0.bundle.version) }
        detail["promotion"] = promotion.map { .string($0.description) }
        try session.audit.append(actor: actor, action: "release.create", subject: environment.name, detail: detail)
        try session.releases.openLineage(try DeclaredLineage.edges(of: bundle, manifest, in: session), of: release)
        for observer in observers { try observer.released(release, manifest, in: session) }
        return release
    }

    /// Undoes ``perform(_:in:config:mode:promotion:by:)``, triggers and lineage included.
    func takeBack(_ release: ReleaseRow, former: ReleaseRow?) throws {
        try session.releases.takeBack(release, former: former?.id)
        guard let former else {
            let manifest = Manifest(name: release.bundle.name, version: release.bundle.version, flows: [])
            for observer in observers { try observer.released(release, manifest, in: session) }
            return
        }
        try session.releases.reopenLineage(of: former.id)
        let manifest = try session.bundles.requiredManifest(former.bundle)
        for observer in observers { try observer.released(former, manifest, in: session) }
    }

    /// Where the tables of the release point now.
    func keepPointers(of release: ReleaseRow) throws {
        let outputs = try session.bundles.requiredManifest(release.bundle).outputs
        try session.releases.keepPointers(
            try session.publications.pointers(environment: release.environment, assets: outputs), of: release.id)
    }

    private static func checkVariables(
        of manifest: Manifest, boundBy config: ReleaseConfig, _ environment: String
    ) throws(APIError) {
        // The environment may bind variables of other bundles too, so only this bundle's are looked at.
        let wanted = Set(manifest.variables.map(\.name))
        do {
            _ = try ParameterBinder.bind(specs: manifest.variables, values: config.variables.filter { wanted.contains($0.key) })
        } catch {
            throw APIError(
                .invalidRequest,
                "environment '\(environment)' does not suit \(manifest.name)@\(manifest.version): variables: \(error)",
                hint: "release to an environment that binds the bundle's variables, or give them defaults in flowforge.yaml")
        }
    }

    private static func checkCredentials(
        of manifest: Manifest, declaredBy config: ReleaseConfig, _ environment: String
    ) throws(APIError) {
        let tasks = manifest.flows.flatMap(\.tasks)
        do {
            _ = try CredentialBinder.bind(Set(tasks.flatMap { $0.credentials ?? [] }), among: config.credentials)
        } catch {
            let users = error.missing.map { name in
                "\(name) for \(tasks.filter { $0.credentials?.contains(name) == true }.map(\.name).joined(separator: ", "))"
            }
            throw APIError(
                .invalidRequest,
                "environment '\(environment)' does not suit \(manifest.name)@\(manifest.version): credentials: \(error)",
                hint: "declare in the environment where these secrets lie"
                    + (users.isEmpty ? "" : " (needed: \(users.joined(separator: "; ")))"),
                metadata: ["credentials": error.missing.joined(separator: ", ")])
        }
    }

    private static func checkPools(
        of manifest: Manifest, declaredBy config: ReleaseConfig, _ environment: String
    ) throws(APIError) {
        let missing = manifest.pools.filter { config.pool(named: $0) == nil }.sorted()
        guard !missing.isEmpty else { return }
        let users = missing.map { name in
            "\(name) for \(manifest.flows.filter { $0.pools.contains(name) }.map(\.name).joined(separator: ", "))"
        }
        throw APIError(
            .invalidRequest,
            "environment '\(environment)' does not suit \(manifest.name)@\(manifest.version): it has no pool for "
                + missing.joined(separator: ", "),
            hint:
                "say in the environment's file whose agents run these, under 'pools' (needed: \(users.joined(separator: "; ")))",
            metadata: ["pools": missing.joined(separator: ", ")])
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
                    hint: "rename the output in one of the two bundles, or release to another environment")
            }
        }
    }
}

/// The lineage that a bundle's lock declares; of a bundle without one, that of its manifest, between tables.
enum DeclaredLineage {
    static func edges(
        of bundle: BundleReference, _ manifest: Manifest, in session: Session
    ) throws -> [OperatorAPI.LineageEdge] {
        let tasks = manifest.flows.flatMap(\.tasks)
        let writers = Dictionary(tasks.compactMap { task in task.output.map { ($0, task) } }) { $1 }
        var edges: [OperatorAPI.LineageEdge] = []
        for (asset, task) in writers.sorted(by: { $0.key < $1.key }) {
            for input in task.inputs {
                edges.append(
                    .init(
                        from: .init(kind: .asset, name: "\(input)"), to: .init(kind: .asset, name: "\(asset)"), task: task.name,
                        type: nil, subtype: nil))
            }
        }
        for locked in try session.bundles.lock(digest: bundle.digest)?.assets ?? [] {
            for step in locked.lineage {
                edges.append(
                    .init(
                        from: .init(kind: step.kind == .asset ? .asset : .source, name: step.from, column: step.fromColumn),
                        to: .init(kind: .asset, name: "\(locked.asset)", column: step.column.isEmpty ? nil : step.column),
                        task: writers[locked.asset]?.name ?? "", type: step.type.rawValue, subtype: step.subtype.rawValue))
            }
        }
        return edges
    }
}

extension Manifest {
    /// Every pool that its tasks ask for.
    var pools: Set<String> { flows.reduce(into: []) { $0.formUnion($1.pools) } }

    var outputs: Set<AssetName> { Set(flows.flatMap(\.tasks).compactMap(\.output)) }

    /// By name of a flow, the other flows of the bundle that write what it reads.
    var flowsRead: [String: Set<String>] {
        var writers: [AssetName: String] = [:]
        for flow in flows { for task in flow.tasks { if let output = task.output { writers[output] = flow.name } } }
        return Dictionary(
            uniqueKeysWithValues: flows.map { flow in
                (flow.name, Set(flow.tasks.flatMap(\.inputs).compactMap { writers[$0] }).subtracting([flow.name]))
            })
    }
}

extension ReleaseConfig {
    /// The part of it that the bundle sees.
    func seen(by manifest: Manifest) -> ReleaseConfig {
        let wanted = Set(manifest.variables.map(\.name))
        var config = self
        config.variables = variables.filter { wanted.contains($0.key) }
        let needed = Set(manifest.flows.flatMap(\.tasks).flatMap { $0.credentials ?? [] })
        config.credentials = credentials.filter { needed.contains($0.key) }
        let asked = manifest.pools
        config.pools = asked.isEmpty ? nil : pools?.filter { asked.contains($0.key) }
        return config
    }
}

extension BundleQueries {
    func requiredManifest(_ bundle: BundleReference) throws -> Manifest {
        guard let manifest = try manifest(digest: bundle.digest) else {
            throw StoreError.corrupt("the manifest of \(bundle.name)@\(bundle.version) is missing")
        }
        return manifest
    }
}

extension Session {
    /// The current release of the bundle; without a name, of the only one there is.
    func currentRelease(of bundle: String?, in environment: String) throws -> ReleaseRow {
        _ = try environments.required(environment)
        let releases = try self.releases.current(environment: environment).filter { bundle == nil || $0.bundle.name == bundle }
        guard let release = releases.first else {
            throw APIError(
                .notFound, "\(bundle.map { "'\($0)' is not" } ?? "nothing is") released to '\(environment)'",
                hint: "`flowforge env releases \(environment)` shows what was")
        }
        guard releases.count == 1 else {
            throw APIError(
                .invalidRequest,
                "several bundles are released to '\(environment)': \(releases.map(\.bundle.name).joined(separator: ", "))",
                hint: "say which with --bundle")
        }
        return release
    }
}
