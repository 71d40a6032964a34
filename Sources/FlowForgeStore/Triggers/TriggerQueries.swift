public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var triggers: TriggerQueries { TriggerQueries(session: self) }
}

public struct TriggerQueries {
    let session: Session

    public func find(_ id: ID<Trigger>) throws -> TriggerRow? {
        try session.seen(try session.row("SELECT * FROM trigger WHERE id = ?", [id.description]).map(TriggerRow.init)) {
            $0.environment
        }
    }

    /// Every trigger that a release of the bundle in the environment ever declared.
    public func list(environment: String, bundle: String) throws -> [TriggerRow] {
        try session.rows(
            "SELECT * FROM trigger WHERE environment = ? AND bundle = ? ORDER BY flow, name", [environment, bundle]
        ).map(TriggerRow.init)
    }

    /// By id, those after `after`; only those that are live unless `all`.
    public func list(environment: String?, all: Bool, after: ID<Trigger>?, limit: Int) throws -> [TriggerRow] {
        var arguments: [any DatabaseValueConvertible] = []
        if let environment { arguments.append(environment) }
        arguments += [after?.description ?? "", limit]
        return try session.rows(
            """
            SELECT * FROM trigger WHERE \(environment == nil ? "" : "environment = ? AND ")id > ?\
            \(all ? "" : " AND is_live = 1")\(session.inScope("environment")) ORDER BY id LIMIT ?
            """, StatementArguments(arguments)
        ).map(TriggerRow.init)
    }

    public func insert(_ trigger: TriggerRow) throws {
        try session.change(
            """
            INSERT INTO trigger (id, environment, bundle, flow, name, kind, specification, pool, source, pattern, is_live,
                position, next_at, created_at, changed_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)
            """,
            [
                trigger.id.description, trigger.environment, trigger.bundle, trigger.flow, trigger.name,
                trigger.kind.rawValue, try jsonText(trigger.specification), trigger.pool, trigger.source,
                trigger.pattern, trigger.position?.milliseconds, trigger.nextAt?.milliseconds, trigger.createdAt.milliseconds,
                session.now.milliseconds,
            ])
    }

    /// Stores everything but the identity: the specification, whether it is live, pause, position, secret.
    public func update(_ trigger: TriggerRow) throws {
        try session.change(
            """
            UPDATE trigger SET kind = ?, specification = ?, pool = ?, source = ?, pattern = ?, is_live = ?, paused_at = ?,
                paused_by = ?, position = ?, next_at = ?, secret_serial = ?, old_secret_until = ?, changed_at = ?
            WHERE id = ?
            """,
            [
                trigger.kind.rawValue, try jsonText(trigger.specification), trigger.pool, trigger.source, trigger.pattern,
                trigger.isLive,
                trigger.pausedAt?.milliseconds, trigger.pausedBy, trigger.position?.milliseconds,
                trigger.nextAt?.milliseconds, trigger.secretSerial, trigger.oldSecretUntil?.milliseconds,
                session.now.milliseconds, trigger.id.description,
            ])
        try session.requireOneChange("trigger \(trigger.id) is gone")
    }

    /// Moves a schedule on. Its position never goes back.
    public func advance(_ id: ID<Trigger>, position: Date?, nextAt: Date?) throws {
        try session.change(
            "UPDATE trigger SET position = max(coalesce(position, ?1), coalesce(?1, position)), next_at = ?2 WHERE id = ?3",
            [position?.milliseconds, nextAt?.milliseconds, id.description])
        try session.requireOneChange("trigger \(id) is gone")
    }

    /// Has a schedule that is due looked at later; its position stays.
    public func postpone(_ id: ID<Trigger>, until: Date) throws {
        try session.change(
            "UPDATE trigger SET next_at = ? WHERE id = ? AND next_at <= ?",
            [until.milliseconds, id.description, session.now.milliseconds])
    }

    /// Schedules that have decided ticks of the future, paused and ended ones too: the clock was set back. A
    /// scan, for the start and for then.
    public func ahead(limit: Int) throws -> [ID<Trigger>] {
        try session.rows(
            "SELECT id FROM trigger WHERE position > ? AND is_live = 1 LIMIT ?",
            [session.now.milliseconds + 1000, limit]
        ).map { try $0.id("id") }
    }

    /// Moves the position of a schedule back; ``advance(_:position:nextAt:)`` never does.
    public func rewind(_ id: ID<Trigger>, position: Date, nextAt: Date?) throws {
        try session.change(
            "UPDATE trigger SET position = ?, next_at = ? WHERE id = ?",
            [position.milliseconds, nextAt?.milliseconds, id.description])
        try session.requireOneChange("trigger \(id) is gone")
    }

    /// Schedules that have to be looked at, the longest due first.
    public func due(limit: Int) throws -> [ID<Trigger>] {
        try session.rows(Self.dueSQL, [session.now.milliseconds, limit]).map { try $0.id("id") }
    }

    static let dueSQL = "SELECT id FROM trigger WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?"

    /// The next time that any schedule has to be looked at.
    public func nextDue() throws -> Date? {
        try session.row(Self.nextDueSQL)?.date("next_at")
    }

    static let nextDueSQL = "SELECT next_at FROM trigger WHERE next_at > 0 ORDER BY next_at LIMIT 1"

    /// Live triggers that wait for the end of a flow's runs.
    public func waiting(forFlow flow: String, bundle: String, environment: String) throws -> [TriggerRow] {
        try session.rows(Self.bySourceSQL, [environment, TriggerKind.upstream.rawValue, "\(bundle)/\(flow)"])
            .map(TriggerRow.init)
    }

    /// Live triggers that wait for snapshots of an asset.
    public func waiting(forAsset asset: AssetName, environment: String) throws -> [TriggerRow] {
        try session.rows(Self.bySourceSQL, [environment, TriggerKind.asset.rawValue, asset.description])
            .map(TriggerRow.init)
    }

    static let bySourceSQL = """
        SELECT * FROM trigger WHERE environment = ? AND kind = ? AND source = ? AND is_live = 1 AND source IS NOT NULL
        """

    /// A run of the flow that has not ended: of live work, or of one backfill. They do not hold up each other.
    public func openRun(of trigger: TriggerRow, backfill: ID<Backfill>? = nil) throws -> ID<Run>? {
        try session.row(
            Self.openRunSQL, [trigger.environment, trigger.bundle, trigger.flow, backfill?.description])?.id("id")
    }

    static let openRunSQL = """
        SELECT id FROM run INDEXED BY run_open_by_flow
        WHERE environment = ? AND bundle = ? AND flow = ? AND finished_at IS NULL AND backfill IS ? LIMIT 1
        """

    /// Whether an attempt was made at a task of the run.
    public func wasBegun(_ run: ID<Run>) throws -> Bool {
        try session.exists("SELECT 1 FROM task WHERE run = ? AND attempts > 0 LIMIT 1", [run.description])
    }

    /// Whether nobody has begun to work on the run: what it will read is not decided yet.
    public func isUntouched(_ run: ID<Run>) throws -> Bool {
        try session.runs.state(run) == .queued && !wasBegun(run)
    }
}
