public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

public struct PromotionRow: Sendable, Hashable {
    public var id: ID<Promotion>
    public var kind: PromotionKind
    public var environment: String
    /// Where the bundle comes from.
    public var source: String?
    public var bundle: String
    /// A plan's digest.
    public var plan: String
    public var lifecycle: PromotionLifecycle
    /// Rollback: the release to return to.
    public var target: ID<Release>?
    /// The one that it made.
    public var release: ID<Release>?
    public var reason: String
    /// How it stands, for people.
    public var message: String
    public var requestedBy: String
    public var requestedAt: Date
    /// When its step, or its state where it has none, began.
    public var stepSince: Date
    /// How long runs of the bundle are waited for.
    public var drainSeconds: Double
    public var finishedAt: Date?

    public var state: PromotionState { lifecycle.state }

    public init(
        id: ID<Promotion>, kind: PromotionKind, environment: String, source: String?, bundle: String, plan: String,
        lifecycle: PromotionLifecycle, target: ID<Release>? = nil, reason: String, requestedBy: String, requestedAt: Date,
        drainSeconds: Double
    ) {
        self.id = id
        self.kind = kind
        self.environment = environment
        self.source = source
        self.bundle = bundle
        self.plan = plan
        self.lifecycle = lifecycle
        self.target = target
        self.reason = reason
        message = ""
        self.requestedBy = requestedBy
        self.requestedAt = requestedAt
        stepSince = requestedAt
        self.drainSeconds = drainSeconds
    }
}

/// A line of a promotion's journal.
public struct PromotionEntry: Sendable, Hashable {
    public enum Event: String, Sendable { case state, began, done, failed, undone }
    public var number: Int64
    public var event: Event
    public var step: PromotionStep?
    public var message: String
    public var at: Date
}

extension Session {
    public var promotions: PromotionQueries { PromotionQueries(session: self) }
}

public struct PromotionQueries {
    let session: Session

    public func find(_ id: ID<Promotion>) throws -> PromotionRow? {
        try session.seen(
            try session.row("SELECT * FROM promotion WHERE id = ?", [id.description]).map(PromotionRow.init)
        ) { $0.environment }
    }

    /// The one of the bundle that has not ended.
    public func open(environment: String, bundle: String) throws -> PromotionRow? {
        try session.row(
            "SELECT * FROM promotion WHERE environment = ? AND bundle_name = ? AND finished_at IS NULL", [environment, bundle]
        ).map(PromotionRow.init)
    }

    /// Those that have not ended, in the order in which they were asked for.
    public func open() throws -> [PromotionRow] {
        try session.rows("SELECT * FROM promotion WHERE finished_at IS NULL ORDER BY number").map(PromotionRow.init)
    }

    /// Whether a change is being applied to the environment, or undone.
    public func isBusy(_ environment: String) throws -> Bool {
        try session.exists("SELECT 1 FROM promotion WHERE environment = ? AND state IN ('applying', 'undoing')", [environment])
    }

    /// Newest first, those older than `before`.
    public func list(environment: String?, before: ID<Promotion>?, limit: Int) throws -> [PromotionRow] {
        try session.rows(
            """
            SELECT * FROM promotion WHERE (?1 IS NULL OR environment = ?1)
                AND number < coalesce((SELECT number FROM promotion WHERE id = ?2), 9223372036854775807)\(session.inScope("environment"))
            ORDER BY number DESC LIMIT ?3
            """, [environment, before?.description, limit]
        ).map(PromotionRow.init)
    }

    /// Throws ``StoreError/conflict(_:)`` when another of the bundle has not ended.
    public func insert(_ row: PromotionRow) throws {
        try session.change(
            """
            INSERT INTO promotion (id, kind, environment, source, bundle_name, plan, state, steps, done, target, reason,
                message, requested_by, requested_at, step_since, drain_seconds)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                row.id.description, row.kind.rawValue, row.environment, row.source, row.bundle, row.plan,
                row.state.rawValue, try jsonText(row.lifecycle.steps), try jsonText(row.lifecycle.done),
                row.target?.description, row.reason, row.message, row.requestedBy, row.requestedAt.milliseconds,
                row.stepSince.milliseconds, row.drainSeconds,
            ])
        try note(row.id, .state, message: row.state.rawValue)
    }

    /// Stores how `row` has moved from `former`, and notes a change of its state in the journal. Throws
    /// ``StoreError/conflict(_:)`` when it has moved meanwhile.
    public func update(_ row: PromotionRow, from former: PromotionRow) throws {
        let isNew = row.state != former.state || row.lifecycle.done != former.lifecycle.done
        try session.change(
            """
            UPDATE promotion SET state = ?, done = ?, release = ?, message = ?, step_since = ?, finished_at = ?
            WHERE id = ? AND state = ? AND done = ?
            """,
            [
                row.state.rawValue, try jsonText(row.lifecycle.done), row.release?.description, row.message,
                (isNew ? session.now : row.stepSince).milliseconds, row.state.isFinal ? session.now.milliseconds : nil,
                row.id.description, former.state.rawValue, try jsonText(former.lifecycle.done),
            ])
        try session.requireOneChange("promotion \(row.id) has moved meanwhile")
        guard row.state != former.state else { return }
        let state = row.state.rawValue
        try note(row.id, .state, message: row.message.isEmpty ? state : "\(state): \(row.message)")
    }

    public func note(
        _ promotion: ID<Promotion>, _ event: PromotionEntry.Event, step: PromotionStep? = nil, message: String = ""
    ) throws {
        try session.change(
            "INSERT INTO promotion_entry (promotion, event, step, message, at) VALUES (?, ?, ?, ?, ?)",
            [promotion.description, event.rawValue, step?.rawValue, message, session.now.milliseconds])
    }

    /// In order.
    public func journal(of promotion: ID<Promotion>) throws -> [PromotionEntry] {
        try session.rows(
            "SELECT * FROM promotion_entry WHERE promotion = ? ORDER BY number", [promotion.description]
        ).map { row in
            let step: String? = row["step"]
            return PromotionEntry(
                number: row["number"], event: try row.word("event"), step: step.flatMap(PromotionStep.init),
                message: row["message"], at: Date(milliseconds: row["at"]))
        }
    }

    public func addRun(_ run: ID<Run>, to promotion: ID<Promotion>) throws {
        try session.change(
            "INSERT INTO promotion_run (promotion, run) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [promotion.description, run.description])
    }

    public func runs(of promotion: ID<Promotion>) throws -> [ID<Run>] {
        try session.rows("SELECT run FROM promotion_run WHERE promotion = ? ORDER BY run", [promotion.description])
            .map { try $0.id("run") }
    }

    // MARK: Holds

    public func hold(environment: String, bundle: String, for promotion: ID<Promotion>) throws {
        try session.change(
            """
            INSERT INTO bundle_hold (environment, bundle, promotion) VALUES (?, ?, ?)
            ON CONFLICT (environment, bundle) DO UPDATE SET promotion = excluded.promotion
            """, [environment, bundle, promotion.description])
    }

    public func letGo(environment: String, bundle: String) throws {
        try session.change("DELETE FROM bundle_hold WHERE environment = ? AND bundle = ?", [environment, bundle])
    }

    /// The promotion that no run of the bundle is to be started beside.
    public func holder(environment: String, bundle: String) throws -> ID<Promotion>? {
        try session.row("SELECT promotion FROM bundle_hold WHERE environment = ? AND bundle = ?", [environment, bundle])?
            .id("promotion")
    }

    /// Runs of the bundle in the environment that have not ended.
    public func openRuns(environment: String, bundle: String) throws -> [ID<Run>] {
        try session.rows(
            """
            SELECT id FROM run INDEXED BY run_open_by_flow
            WHERE environment = ? AND bundle = ? AND finished_at IS NULL ORDER BY id LIMIT 100
            """, [environment, bundle]
        ).map { try $0.id("id") }
    }
}

extension PromotionRow {
    fileprivate init(_ row: Row) throws {
        let state: PromotionState = try row.word("state")
        self.init(
            id: try row.id("id"), kind: try row.word("kind"), environment: row["environment"], source: row["source"],
            bundle: row["bundle_name"], plan: row["plan"],
            lifecycle: PromotionLifecycle(
                state: state, done: try row.json([PromotionStep].self, "done"), steps: try row.json([PromotionStep].self, "steps")
            ),
            target: try row.optionalID("target"), reason: row["reason"], requestedBy: row["requested_by"],
            requestedAt: Date(milliseconds: row["requested_at"]), drainSeconds: row["drain_seconds"])
        release = try row.optionalID("release")
        message = row["message"]
        stepSince = Date(milliseconds: row["step_since"])
        finishedAt = row.date("finished_at")
    }
}
