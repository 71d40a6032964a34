internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// Makes a run from an earlier one, in one transaction: with the bundle, parameters and variables of
/// then. Tasks that are not run again keep their results, and what follows them reads those, whatever
/// other runs have published since.
struct RunRepetition {
    let request: OperatorAPI.RerunRequest
    let earlier: RunRow
    let actor: Actor
    let session: Session

    func run(wakeUps: WakeUps) throws -> OperatorAPI.RunView {
        guard earlier.state.isFinal else {
            throw APIError(
                .conflict, "run \(earlier.id) goes on: it is \(earlier.state.rawValue)",
                hint: "wait for its end, or cancel it first")
        }
        guard try session.bundles.find(digest: earlier.bundle.digest)?.removedAt == nil,
            let flow = try session.bundles.manifest(digest: earlier.bundle.digest)?.flow(earlier.flow)
        else {
            throw APIError(.notFound, "the bundle of run \(earlier.id) is gone", hint: "start a run of the current release")
        }
        let graph: TaskGraph
        do throws(TaskGraphError) { graph = try TaskGraph(flow.nodes) } catch {
            throw APIError(.invalidBundle, "flow '\(flow.name)': \(error)", hint: "push a corrected bundle")
        }
        let done = try session.attempts.succeeded(in: earlier.id)
        let chosen = try chosen(of: graph, done: done)
        guard !chosen.isEmpty else {
            throw APIError(
                .conflict, "every task of run \(earlier.id) succeeded", hint: "say which to run again: --task NAME, or --all")
        }
        try check(chosen, graph, done)
        let priority = request.priority ?? earlier.priority
        guard (-100...100).contains(priority) else {
            throw APIError(.invalidRequest, "priority must be -100 to 100, not \(priority)")
        }
        var run = RunRow(
            id: .make(at: session.now), environment: earlier.environment, pool: earlier.pool, release: earlier.release,
            bundle: earlier.bundle, flow: earlier.flow, parameters: earlier.parameters, variables: earlier.variables,
            credentials: try credentials(of: flow), idempotencyKey: nil,
            origin: RunOrigin(
                .rerun, scheduledFor: earlier.origin.scheduledFor, rerunOf: earlier.id, backfill: earlier.origin.backfill),
            priority: priority, maxRuns: flow.concurrency, timeoutSeconds: flow.timeoutSeconds,
            createdBy: actor.description,
            createdAt: Date(timeIntervalSince1970: (session.now.timeIntervalSince1970 * 1000).rounded() / 1000))
        let config = try session.releases.find(earlier.release)?.config ?? ReleaseConfig(pool: earlier.pool, variables: [:])
        let all = try NewTask.all(
            of: flow, in: graph, limits: run.origin.limits, config: config, environment: earlier.environment)
        let tasks = all.compactMap { task -> NewTask? in
            guard !chosen.contains(task.name) else { return task }
            guard let attempt = done[task.name] else { return nil }
            var kept = task
            kept.reuses = attempt
            return kept
        }
        let names = Set(tasks.map(\.name))
        let kept = tasks.map { task in
            var task = task
            task.dependsOn.removeAll { !names.contains($0) }
            return task
        }
        try run.store(with: kept, by: actor, in: session, wakeUps: wakeUps)
        return try RunView.full(run.id, in: session)
    }

    /// As the bundle's current release has them: where a secret lay may be what was wrong.
    private func credentials(of flow: FlowSpec) throws -> [String: String] {
        let current = try session.releases.current(environment: earlier.environment, bundle: earlier.bundle.name)?.config
        return try RunCreation.credentials(of: flow, among: current?.credentials ?? earlier.credentials, earlier.environment)
    }

    private func chosen(of graph: TaskGraph, done: [String: ID<Attempt>]) throws -> Set<String> {
        if request.all == true { return Set(graph.order) }
        guard let names = request.tasks else { return Set(graph.order.filter { done[$0] == nil }) }
        for name in names where graph.upstream[name] == nil {
            throw APIError(
                .notFound, "flow '\(earlier.flow)' has no task '\(name.prefix(80))'",
                hint: Spelling.nearest(name, among: graph.order).map { "did you mean '\($0)'?" }
                    ?? "its tasks are: \(graph.order.prefix(50).joined(separator: ", "))")
        }
        return names.reduce(into: Set(names)) { chosen, name in
            if request.only != true { chosen.formUnion(graph.descendants(of: name)) }
        }
    }

    /// What is run again needs the results of what comes before it.
    private func check(_ chosen: Set<String>, _ graph: TaskGraph, _ done: [String: ID<Attempt>]) throws {
        for name in chosen.sorted() {
            for need in graph.upstream[name] ?? [] where !chosen.contains(need) && done[need] == nil {
                throw APIError(
                    .conflict, "task '\(name)' needs '\(need)', which did not succeed in run \(earlier.id)",
                    hint: "run '\(need)' again too")
            }
        }
    }
}
