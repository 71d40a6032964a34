internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

extension RunRow {
    /// Stores a new run with its tasks, and lets it go on if its flow's other runs allow.
    mutating func store(with tasks: [NewTask], by actor: Actor, in session: Session, wakeUps: WakeUps) throws {
        if maxRuns == nil { admittedAt = session.now }
        openTasks = tasks.count { $0.reuses == nil }
        if let backfill = origin.backfill { try Self.bound(backfill, in: session) }
        try session.runs.insert(self)
        try session.tasks.insert(tasks, of: self)
        var detail: [String: JSONValue] = [
            "environment": .string(environment), "flow": .string(flow), "cause": .string(origin.cause.rawValue),
            "bundle": .string("\(bundle.name)@\(bundle.version)"), "digest": .string(bundle.digest),
        ]
        if let trigger = origin.trigger { detail["trigger"] = .string(trigger) }
        if let earlier = origin.rerunOf { detail["rerunOf"] = .string(earlier.description) }
        try session.audit.append(actor: actor, action: "run.start", subject: id.description, detail: detail)
        var stager = RunStager(session: session, toleratedLosses: 0)
        if maxRuns == nil {
            let open = Set(tasks.lazy.filter { $0.reuses == nil }.map(\.name))
            for task in tasks where open.contains(task.name) && !task.dependsOn.contains(where: open.contains) {
                stager.wakes.add(ReadyTasks(pool: task.pool, engine: task.engine, count: 1))
            }
        } else {
            try stager.admit(flowReference)
        }
        try stager.wakes.send(through: wakeUps, in: session)
    }

    /// What is made after a backfill's end, as when its runs are repeated, is bounded as they were. The limit
    /// of one that goes on is left to whoever has changed it.
    private static func bound(_ id: ID<Backfill>, in session: Session) throws {
        let key = LimitKey.backfill(id.description)
        guard let backfill = try session.backfills.find(id), backfill.state != .running, try session.limits.find(key) == nil
        else { return }
        try session.limits.set(key, slots: backfill.maxSlots, by: Actor.system("backfill").description)
    }
}

extension NewTask {
    /// The tasks of a flow in topological order, each for the agents of the pool that `config` has for it; each takes
    /// from `limits` beside its own. Throws ``APIError`` where it has none.
    static func all(
        of flow: FlowSpec, in graph: TaskGraph, limits: [LimitKey: Int], config: ReleaseConfig, environment: String
    ) throws(APIError) -> [NewTask] {
        for name in flow.pools.sorted() where config.pool(named: name) == nil {
            throw APIError(
                .invalidRequest, "environment '\(environment)' has no pool for '\(name)', which flow '\(flow.name)' asks for",
                hint: "declare it in the environment's file under 'pools', and release the bundle")
        }
        let specs = Dictionary(flow.tasks.map { ($0.name, $0) }) { $1 }
        return graph.order.compactMap { name in
            specs[name].map { task in
                NewTask(
                    name: name, layer: task.layer, engine: task.engine,
                    pool: config.pool(named: flow.pool(of: task)) ?? config.pool, inputs: task.inputs, output: task.output,
                    retry: task.retry.policy, timeoutSeconds: task.timeoutSeconds,
                    limits: (task.limits ?? [:]).reduce(into: limits) { $0[.resource($1.key), default: 0] += $1.value },
                    credentials: task.credentials ?? [],
                    dependsOn: graph.upstream[name] ?? [])
            }
        }
    }
}
