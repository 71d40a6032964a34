internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Turns a request into a run, in one transaction.
struct RunCreation {
    let request: OperatorAPI.StartRun
    let actor: Actor
    let origin: RunOrigin
    let session: Session
    /// That which starts it, where one does.
    var promotion: ID<Promotion>?

    private struct Target {
        var release: ReleaseRow
        var manifest: Manifest
        var flow: FlowSpec
    }

    /// The run, and whether it is new.
    func run(wakeUps: WakeUps) throws -> (OperatorAPI.RunView, Bool) {
        if let key = request.idempotencyKey, key.isEmpty || key.utf8.count > 255 {
            throw APIError(.invalidRequest, "idempotencyKey must be 1 to 255 bytes long")
        }
        guard let environment = try session.environments.find(request.environment) else {
            throw APIError(
                .notFound, "there is no environment '\(request.environment.prefix(80))'",
                hint: try namesHint(request.environment, session.environments.list(after: nil, limit: 1000).map(\.name))
                    ?? "see 'flowforge env list'; make one with 'flowforge env create'")
        }
        if let key = request.idempotencyKey,
            let run = try session.runs.find(environment: environment.name, idempotencyKey: key)
        {
            return (try repeated(run), false)
        }
        if environment.isExpired(at: session.now) {
            throw APIError(
                .conflict, "environment '\(environment.name)' has expired",
                hint: "give it another 'expires' with `flowforge env apply`")
        }
        let target = try target(in: environment)
        if let holder = try session.promotions.holder(environment: environment.name, bundle: target.release.bundle.name),
            promotion != holder
        {
            throw APIError(
                .conflict, "\(holder) is changing '\(target.release.bundle.name)' in '\(environment.name)'",
                hint: "wait for it: `flowforge promotion show \(holder)`", metadata: ["promotion": holder.description])
        }
        let config = target.release.config ?? environment.releaseConfig
        let tasks = try tasks(of: target.flow, config)
        var run = RunRow(
            id: .make(at: session.now), environment: environment.name,
            pool: config.pool,
            release: target.release.id, bundle: target.release.bundle, flow: target.flow.name,
            parameters: try parameters(target), variables: try variables(target, config),
            credentials: try Self.credentials(
                of: target.flow, among: config.credentials, environment.name),
            idempotencyKey: request.idempotencyKey, origin: origin,
            priority: try priority(target.flow), maxRuns: target.flow.concurrency,
            timeoutSeconds: target.flow.timeoutSeconds, createdBy: actor.description,
            createdAt: Date(timeIntervalSince1970: (session.now.timeIntervalSince1970 * 1000).rounded() / 1000))
        try run.store(with: tasks, by: actor, in: session, wakeUps: wakeUps)
        return (try RunView.full(run.id, in: session), true)
    }

    private func priority(_ flow: FlowSpec) throws -> Int {
        let priority = request.priority ?? origin.priority ?? flow.priority ?? 0
        guard (-100...100).contains(priority) else {
            throw APIError(.invalidRequest, "priority must be -100 to 100, not \(priority)")
        }
        return priority
    }

    /// The parameters are compared as they were bound, so `"7"` and `7` for an integer are the same request.
    private func repeated(_ run: RunRow) throws -> OperatorAPI.RunView {
        var isSame = run.flow == request.flow && (request.bundle ?? run.bundle.name) == run.bundle.name
        if isSame, let manifest = try session.bundles.manifest(digest: run.bundle.digest) {
            let bound = try? ParameterBinder.bind(specs: manifest.parameters, values: request.parameters)
            isSame = bound == run.parameters
        }
        guard isSame else {
            throw APIError(
                .conflict, "idempotencyKey was used for another request, which started \(run.id)",
                hint: "use a new key for each run that is to be started", metadata: ["run": run.id.description])
        }
        return try RunView.full(run.id, in: session)
    }

    private func target(in environment: EnvironmentRow) throws -> Target {
        let releases = try session.releases.current(environment: environment.name)
        guard !releases.isEmpty else {
            throw APIError(
                .notFound, "nothing is deployed to environment '\(environment.name)'",
                hint: "deploy a bundle with 'flowforge deploy'")
        }
        if let bundle = request.bundle, !releases.contains(where: { $0.bundle.name == bundle }) {
            let names = releases.map(\.bundle.name)
            throw APIError(
                .notFound, "bundle '\(bundle.prefix(80))' is not deployed to environment '\(environment.name)'",
                hint: namesHint(bundle, names) ?? "deployed are: \(names.joined(separator: ", "))")
        }
        var targets: [Target] = []
        var flows: [String] = []
        for release in releases where request.bundle == nil || request.bundle == release.bundle.name {
            guard let manifest = try session.bundles.manifest(digest: release.bundle.digest) else {
                throw StoreError.corrupt("release \(release.id) has no bundle")
            }
            flows += manifest.flows.map(\.name)
            if let flow = manifest.flow(request.flow) {
                targets.append(Target(release: release, manifest: manifest, flow: flow))
            }
        }
        guard let target = targets.first else {
            throw APIError(
                .notFound, "no bundle deployed to environment '\(environment.name)' has a flow '\(request.flow.prefix(80))'",
                hint: namesHint(request.flow, flows) ?? "flows are: \(flows.sorted().joined(separator: ", "))")
        }
        guard targets.count == 1 else {
            let names = targets.map(\.release.bundle.name).sorted().joined(separator: ", ")
            throw APIError(
                .conflict, "several bundles of environment '\(environment.name)' have a flow '\(request.flow)': \(names)",
                hint: "say which bundle", metadata: ["bundles": names])
        }
        return target
    }

    private func parameters(_ target: Target) throws -> [String: JSONValue] {
        do throws(ParameterBindingError) {
            return try ParameterBinder.bind(specs: target.manifest.parameters, values: request.parameters)
        } catch {
            throw APIError(
                .invalidRequest, "parameters of flow '\(request.flow)': \(error)",
                hint: "the bundle's flowforge.yaml declares its parameters with their types",
                metadata: ["parameters": error.faults.map(\.name).joined(separator: ", ")])
        }
    }

    /// Those that the release was applied with. An environment may bind variables of other bundles too; only this
    /// bundle's are looked at.
    private func variables(_ target: Target, _ config: ReleaseConfig) throws -> [String: JSONValue] {
        let declared = Set(target.manifest.variables.map(\.name))
        do throws(ParameterBindingError) {
            return try ParameterBinder.bind(
                specs: target.manifest.variables, values: config.variables.filter { declared.contains($0.key) })
        } catch {
            throw APIError(
                .invalidRequest,
                "environment '\(request.environment)' does not bind bundle '\(target.manifest.name)': \(error)",
                hint: "give the environment these variables, e.g. 'flowforge env create … --var name=value'",
                metadata: ["variables": error.faults.map(\.name).joined(separator: ", ")])
        }
    }

    /// References to the secrets that the flow's tasks name.
    static func credentials(
        of flow: FlowSpec, among references: [String: String], _ environment: String
    ) throws -> [String: String] {
        do throws(CredentialBindingError) {
            return try CredentialBinder.bind(Set(flow.tasks.flatMap { $0.credentials ?? [] }), among: references)
        } catch {
            throw APIError(
                .invalidRequest, "environment '\(environment)' lacks credentials of flow '\(flow.name)': \(error)",
                hint: "declare them in the environment, as references to where the secrets lie",
                metadata: ["credentials": error.missing.joined(separator: ", ")])
        }
    }

    private func tasks(of flow: FlowSpec, _ config: ReleaseConfig) throws -> [NewTask] {
        let graph: TaskGraph
        do throws(TaskGraphError) {
            graph = try TaskGraph(flow.nodes)
        } catch {
            throw APIError(.invalidBundle, "flow '\(flow.name)': \(error)", hint: "push a corrected bundle")
        }
        return try NewTask.all(
            of: flow, in: graph, limits: origin.limits, config: config, environment: request.environment)
    }

    private func namesHint(_ name: String, _ names: [String]) -> String? {
        Spelling.nearest(name, among: names).map { "did you mean '\($0)'?" }
    }
}
