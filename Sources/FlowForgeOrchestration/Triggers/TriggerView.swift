internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore

/// A trigger and its ticks as operators see them.
enum TriggerView {
    static func view(_ row: TriggerRow, in session: Session) throws -> OperatorAPI.TriggerView {
        view(row, lastTick: try session.ticks.list(trigger: row.id, limit: 1).first)
    }

    static func view(_ row: TriggerRow, lastTick: TickRow?) -> OperatorAPI.TriggerView {
        OperatorAPI.TriggerView(
            id: row.id, environment: row.environment, bundle: row.bundle, flow: row.flow, name: row.name, kind: row.kind,
            summary: summary(row), specification: specification(row.specification), live: row.isLive,
            pausedAt: row.pausedAt, pausedBy: row.pausedBy, nextAt: row.nextAt, position: row.position,
            lastTick: lastTick.map(tick), path: row.kind == .webhook ? path(row.id) : nil)
    }

    /// Where deliveries of a webhook are posted to.
    static func path(_ id: ID<Trigger>) -> String { "/hooks/v1/\(id)" }

    static func tick(_ row: TickRow) -> OperatorAPI.TickView {
        OperatorAPI.TickView(
            number: row.number, key: row.key, outcome: row.outcome, reason: row.reason, run: row.run,
            scheduledFor: row.scheduledFor, until: row.until, count: row.count, dueAt: row.dueAt,
            recordedAt: row.recordedAt, cause: row.cause)
    }

    private static func specification(_ spec: TriggerSpec) -> JSONValue {
        guard let bytes = try? WireCoding.encode(spec), let value = try? WireCoding.decode(JSONValue.self, from: bytes) else {
            return .null
        }
        return value
    }

    private static func summary(_ row: TriggerRow) -> String {
        let spec = row.specification
        if let schedule = spec.schedule { return schedule.summary }
        if let upstream = spec.upstream {
            let delay = upstream.delaySeconds > 0 ? ", \(Quantity.duration(upstream.delaySeconds)) later" : ""
            return "\(upstream.on.rawValue) of \(upstream.bundle ?? row.bundle)/\(upstream.flow)\(delay)"
        }
        if let asset = spec.asset {
            let debounce = asset.debounceSeconds > 0 ? ", taken together for \(Quantity.duration(asset.debounceSeconds))" : ""
            return "update of \(asset.name)\(debounce)"
        }
        if let file = spec.file { return "files \(file.path), looked for every \(Quantity.duration(file.everySeconds))" }
        return "signed webhook"
    }
}
