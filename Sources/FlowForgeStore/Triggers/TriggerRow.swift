public import FlowForgeBundle
public import FlowForgeProtocol
public import Foundation
internal import GRDB

/// What starts a flow by itself, as it is stored.
public struct TriggerRow: Sendable {
    public var id: ID<Trigger>
    public var environment: String
    public var bundle: String
    public var flow: String
    /// As the newest release that had it declared it; with it name and kind.
    public var specification: TriggerSpec
    public var pool: String
    /// Files: where the agents of the pool look for them, with the environment's values.
    public var pattern: String?
    /// Whether the current release declares it.
    public var isLive: Bool
    public var pausedAt: Date?
    public var pausedBy: String?
    /// Schedules: every tick up to here is recorded.
    public var position: Date?
    /// Schedules: when it has to be looked at next.
    public var nextAt: Date?
    /// Webhooks: how often a secret was made; 0 before the first.
    public var secretSerial: Int
    /// Webhooks: the secret before the newest holds until then.
    public var oldSecretUntil: Date?
    public var createdAt: Date

    public var name: String { specification.name }
    public var kind: TriggerKind { specification.kind }
    public var runs: Bool { isLive && pausedAt == nil }

    public init(
        id: ID<Trigger>, environment: String, bundle: String, flow: String, specification: TriggerSpec, pool: String,
        createdAt: Date
    ) {
        self.id = id
        self.environment = environment
        self.bundle = bundle
        self.flow = flow
        self.specification = specification
        self.pool = pool
        isLive = true
        secretSerial = 0
        self.createdAt = createdAt
    }
}

extension TriggerRow {
    init(_ row: Row) throws {
        self.init(
            id: try row.id("id"), environment: row["environment"], bundle: row["bundle"], flow: row["flow"],
            specification: try row.json(TriggerSpec.self, "specification"), pool: row["pool"],
            createdAt: Date(milliseconds: row["created_at"]))
        pattern = row["pattern"]
        isLive = row["is_live"]
        pausedAt = row.date("paused_at")
        pausedBy = row["paused_by"]
        position = row.date("position")
        nextAt = row.date("next_at")
        secretSerial = row["secret_serial"]
        oldSecretUntil = row.date("old_secret_until")
    }

    /// What `trigger.source` holds: what events are looked up by.
    var source: String? {
        if let upstream = specification.upstream { return "\(upstream.bundle ?? bundle)/\(upstream.flow)" }
        return specification.asset?.name.description
    }
}
