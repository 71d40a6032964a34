internal import FlowForgeBundle
public import FlowForgeDomain
public import FlowForgeProtocol
public import FlowForgeStore
internal import Foundation

/// What people do with triggers: look at them and at what became of their ticks, pause and resume
/// them, fire one by hand.
public struct Triggers: Sendable {
    /// A preview's longest.
    public static let longestPreview = 1000

    let store: Store
    let wakeUps: WakeUps

    public init(store: Store, wakeUps: WakeUps) {
        self.store = store
        self.wakeUps = wakeUps
    }

    /// Oldest first; only live ones unless `all`. `after` is the `next` of the page before.
    public func list(
        environment: String?, all: Bool, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.TriggerView> {
        let cursor = try Cursor.id(Trigger.self, after)
        return try await store.read { session in
            let rows = try session.triggers.list(environment: environment, all: all, after: cursor, limit: limit + 1)
            let views = try Dictionary(rows.map { ($0.id, try TriggerView.view($0, in: session)) }) { first, _ in first }
            return Cursor.page(rows, limit: limit, id: \.id) { row in
                views[row.id] ?? TriggerView.view(row, lastTick: nil)
            }
        }
    }

    /// Throws ``APIError`` `not_found`.
    public func show(_ id: ID<Trigger>) async throws -> OperatorAPI.TriggerView {
        try await store.read { try TriggerView.view(try $0.triggers.required(id), in: $0) }
    }

    /// Newest first. `after` is the `next` of the page before.
    public func ticks(
        of id: ID<Trigger>, after: String?, limit: Int
    ) async throws -> OperatorAPI.Page<OperatorAPI.TickView> {
        let before = try after.map { text in
            guard let number = Int64(text) else {
                throw APIError(
                    .invalidRequest, "'\(text.prefix(64))' is not where a page of this list ends",
                    hint: "pass the `next` of the page before as `after`")
            }
            return number
        }
        return try await store.read { session in
            _ = try session.triggers.required(id)
            let rows = try session.ticks.list(trigger: id, before: before, limit: limit + 1)
            let shown = rows.prefix(limit)
            return OperatorAPI.Page(
                items: shown.map(TriggerView.tick), next: rows.count > limit ? shown.last.map { "\($0.number)" } : nil)
        }
    }

    /// The next ticks of a schedule from now on, as if it were neither paused nor replaced.
    public func preview(_ id: ID<Trigger>, count: Int) async throws -> OperatorAPI.TriggerPreview {
        let (trigger, now) = try await store.read { (try $0.triggers.required(id), $0.now) }
        guard trigger.kind == .schedule else {
            throw APIError(
                .invalidRequest, "trigger '\(trigger.name)' is no schedule: it waits for something to happen",
                hint: "'flowforge trigger show' says for what")
        }
        return OperatorAPI.TriggerPreview(ticks: TriggerSchedule.preview(trigger, after: now, count: count))
    }

    /// Pausing what is paused changes nothing. What happens meanwhile is recorded as skipped.
    public func pause(_ id: ID<Trigger>, by actor: Actor) async throws -> OperatorAPI.TriggerView {
        try await store.write { session in
            var trigger = try session.triggers.required(id)
            if trigger.pausedAt == nil {
                // What was due before the pause is decided as it would have been without it.
                try ScheduleFiring(session: session, wakeUps: wakeUps).fire(id)
                trigger = try session.triggers.required(id)
                trigger.pausedAt = session.now
                trigger.pausedBy = actor.description
                trigger.nextAt = nil
                try session.triggers.update(trigger)
                try session.audit.append(actor: actor, action: "trigger.pause", subject: id.description, detail: trigger.place)
            }
            return try TriggerView.view(trigger, in: session)
        }
    }

    /// Resuming what is not paused changes nothing. A schedule goes on with the next tick from now: those
    /// of the pause are recorded as skipped, not caught up.
    public func resume(_ id: ID<Trigger>, by actor: Actor) async throws -> OperatorAPI.TriggerView {
        try await store.write { session in
            try TriggerView.view(try TriggerResumption(session: session, wakeUps: wakeUps).resume(id, by: actor), in: session)
        }
    }

    /// Starts a run as the trigger would, paused or not. With a key that was used before, the tick of then
    /// is returned and nothing started.
    public func fire(
        _ id: ID<Trigger>, _ request: OperatorAPI.FireTrigger, by actor: Actor
    ) async throws -> (tick: OperatorAPI.TickView, created: Bool) {
        if let key = request.key, key.isEmpty || key.utf8.count > 200 {
            throw APIError(.invalidRequest, "key must be 1 to 200 bytes long", hint: "give a shorter one, or none")
        }
        return try await store.write { session in
            let trigger = try session.triggers.required(id)
            let key = "fire \(request.key ?? "\(ID<Run>.make(at: session.now))")"
            if let tick = try session.ticks.find(trigger: id, key: key) { return (TriggerView.tick(tick), false) }
            guard trigger.isLive else {
                throw APIError(
                    .conflict, "trigger '\(trigger.name)' is no longer declared by a release",
                    hint: "deploy a bundle that declares it, or start the flow with 'flowforge run start'")
            }
            switch try TickFiring(session: session, wakeUps: wakeUps).start(trigger, by: actor) {
            case .refused(let reason):
                throw APIError(
                    .conflict, "trigger '\(trigger.name)' started no run: \(reason)", hint: "remove the reason and try again")
            case .started(let run):
                var tick = NewTick(trigger: id, key: key, outcome: .fired)
                tick.run = run
                tick.cause = ["firedBy": .string(actor.description)]
                try session.ticks.insert(tick)
                var detail = trigger.place
                detail["run"] = .string(run.description)
                try session.audit.append(actor: actor, action: "trigger.fire", subject: id.description, detail: detail)
                guard let stored = try session.ticks.find(trigger: id, key: key) else {
                    throw StoreError.failed("tick '\(key)' was not stored")
                }
                return (TriggerView.tick(stored), true)
            }
        }
    }
}

extension TriggerRow {
    var place: [String: JSONValue] {
        [
            "environment": .string(environment), "bundle": .string(bundle), "flow": .string(flow), "name": .string(name),
        ]
    }
}

extension TriggerQueries {
    func required(_ id: ID<Trigger>) throws -> TriggerRow {
        guard let trigger = try find(id) else {
            throw APIError(.notFound, "there is no trigger \(id)", hint: "'flowforge trigger list' shows them")
        }
        return trigger
    }
}
