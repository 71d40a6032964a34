internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// A run as operators see it.
enum RunView {
    /// With its tasks and their attempts. Throws ``APIError`` `not_found`.
    static func full(_ id: ID<Run>, in session: Session) throws -> OperatorAPI.RunView {
        guard let run = try session.runs.find(id) else { throw APIError.noRun(id) }
        let dependencies = try session.tasks.dependencies(run: id)
        var names: [ID<Agent>: String] = [:]
        var attempts: [Int64: [OperatorAPI.AttemptView]] = [:]
        for attempt in try session.attempts.list(run: id) {
            let agent = attempt.claim.agent
            let name = try names[agent] ?? session.agents.name(of: agent) ?? agent.description
            names[agent] = name
            attempts[attempt.task, default: []].append(view(attempt, agentName: name))
        }
        var view = summary(run)
        view.tasks = try session.tasks.list(run: id).map { task in
            OperatorAPI.TaskView(
                name: task.name, layer: task.layer, engine: task.engine, state: task.state,
                dependsOn: dependencies[task.id] ?? [], output: task.output, attempts: attempts[task.id] ?? [],
                pool: task.pool, waitsFor: waitsFor(task), reuses: task.reusedAttempt)
        }
        view.unpublished = try session.publications.unconfirmed(of: id)
        return view
    }

    /// Without its tasks.
    static func summary(_ run: RunRow) -> OperatorAPI.RunView {
        OperatorAPI.RunView(
            id: run.id, environment: run.environment, bundle: run.bundle, flow: run.flow, state: run.state,
            parameters: run.parameters, createdAt: run.createdAt, startedAt: run.startedAt,
            finishedAt: run.finishedAt, createdBy: run.createdBy, version: run.version, tasks: nil,
            cause: run.origin.cause, trigger: run.origin.trigger, scheduledFor: run.origin.scheduledFor,
            rerunOf: run.origin.rerunOf, priority: run.priority,
            waitsForOthers: run.admittedAt == nil && !run.state.isFinal ? true : nil, endReason: run.endReason)
    }

    private static func waitsFor(_ task: TaskRow) -> String? {
        switch task.parkedOn {
        case nil: nil
        case .delay: task.readyAt.map { "its next attempt, from \(WireCoding.text($0)) on" }
        case .output(_, let asset): "another run that writes \(asset)"
        case .flow(let flow): "flow '\(flow.flow)' to be resumed"
        case .limit(let key): "limit \(key)"
        }
    }

    private static func view(_ attempt: AttemptRow, agentName: String) -> OperatorAPI.AttemptView {
        OperatorAPI.AttemptView(
            id: attempt.id, number: attempt.number, state: attempt.state, agent: attempt.claim.agent,
            agentName: agentName, leasedAt: attempt.leasedAt, startedAt: attempt.startedAt,
            finishedAt: attempt.finishedAt, progress: attempt.progress, metrics: attempt.metrics,
            checks: attempt.checks, error: attempt.error, snapshot: attempt.snapshot)
    }
}

extension APIError {
    static func noRun(_ id: ID<Run>) -> APIError {
        APIError(.notFound, "there is no run \(id)", hint: "'flowforge run list' shows the newest")
    }
}
