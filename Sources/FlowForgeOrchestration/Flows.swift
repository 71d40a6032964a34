internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// What people do with the flows of an environment.
public struct Flows: Sendable {
    private let store: Store
    private let wakeUps: WakeUps

    public init(store: Store, wakeUps: WakeUps) {
        self.store = store
        self.wakeUps = wakeUps
    }

    /// Those of the environment's current releases, by bundle and name.
    public func list(environment: String) async throws -> OperatorAPI.Page<OperatorAPI.FlowView> {
        try await store.read { session in
            guard try session.environments.find(environment) != nil else { throw APIError.noEnvironment(environment) }
            return OperatorAPI.Page(items: try Self.views(environment: environment, in: session))
        }
    }

    /// From now on none of its tasks is handed out; what runs is finished, runs may still be started and
    /// wait. Pausing again changes nothing, also not the reason.
    public func pause(
        _ flow: String, in environment: String, _ request: OperatorAPI.PauseFlow, by actor: Actor
    ) async throws -> OperatorAPI.FlowView {
        guard !request.reason.isEmpty, request.reason.utf8.count <= 1000 else {
            throw APIError(.invalidRequest, "reason must be 1 to 1000 bytes long", hint: "say why, for who finds it paused")
        }
        return try await store.write { session in
            let view = try Self.find(flow, request.bundle, environment, in: session)
            let reference = FlowReference(environment: environment, bundle: view.bundle.name, flow: flow)
            if try session.flowPauses.pause(reference, reason: request.reason, by: actor.description) {
                try session.audit.append(
                    actor: actor, action: "flow.pause", subject: "\(environment)/\(view.bundle.name)/\(flow)",
                    detail: ["reason": .string(request.reason)])
            }
            return try Self.find(flow, view.bundle.name, environment, in: session)
        }
    }

    /// Its tasks are handed out again. Resuming what is not paused changes nothing.
    public func resume(
        _ flow: String, in environment: String, _ request: OperatorAPI.ResumeFlow, by actor: Actor
    ) async throws -> OperatorAPI.FlowView {
        try await store.write { [wakeUps] session in
            let view = try Self.find(flow, request.bundle, environment, in: session)
            let reference = FlowReference(environment: environment, bundle: view.bundle.name, flow: flow)
            if try session.flowPauses.resume(reference) {
                try session.audit.append(
                    actor: actor, action: "flow.resume", subject: "\(environment)/\(view.bundle.name)/\(flow)")
                var queue = TaskQueue(session: session)
                try queue.release(.flow(reference))
                try queue.wakes.send(through: wakeUps, in: session)
            }
            return try Self.find(flow, view.bundle.name, environment, in: session)
        }
    }

    private static func find(
        _ flow: String, _ bundle: String?, _ environment: String, in session: Session
    ) throws -> OperatorAPI.FlowView {
        guard try session.environments.find(environment) != nil else { throw APIError.noEnvironment(environment) }
        let views = try views(environment: environment, in: session)
        let found = views.filter { $0.flow == flow && (bundle == nil || $0.bundle.name == bundle) }
        guard let view = found.first else {
            throw APIError(
                .notFound, "environment '\(environment)' has no flow '\(flow.prefix(80))'",
                hint: Spelling.nearest(flow, among: views.map(\.flow)).map { "did you mean '\($0)'?" }
                    ?? "see 'flowforge flow list --env \(environment)'")
        }
        guard found.count == 1 else {
            let names = found.map(\.bundle.name).sorted().joined(separator: ", ")
            throw APIError(
                .conflict, "several bundles of environment '\(environment)' have a flow '\(flow)': \(names)",
                hint: "say which bundle", metadata: ["bundles": names])
        }
        return view
    }

    private static func views(environment: String, in session: Session) throws -> [OperatorAPI.FlowView] {
        try session.releases.current(environment: environment).sorted { $0.bundle.name < $1.bundle.name }.flatMap { release in
            guard let manifest = try session.bundles.manifest(digest: release.bundle.digest) else {
                throw StoreError.corrupt("release \(release.id) has no bundle")
            }
            return try manifest.flows.map { flow in
                let reference = FlowReference(environment: environment, bundle: release.bundle.name, flow: flow.name)
                let runs = try session.runs.open(reference)
                return OperatorAPI.FlowView(
                    environment: environment, bundle: release.bundle, flow: flow.name, description: flow.description,
                    concurrency: flow.concurrency,
                    paused: try session.flowPauses.find(reference).map {
                        .init(reason: $0.reason, at: $0.pausedAt, by: $0.pausedBy)
                    }, active: runs.admitted, waiting: runs.waiting)
            }
        }
    }
}

extension APIError {
    static func noEnvironment(_ name: String) -> APIError {
        APIError(.notFound, "there is no environment '\(name.prefix(80))'", hint: "see 'flowforge env list'")
    }
}
