public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

public struct PlanRow: Sendable, Hashable {
    /// Of the canonical document.
    public var digest: String
    public var contentDigest: String
    public var plan: Plan
    public var createdAt: Date
    public var createdBy: String

    public init(digest: String, contentDigest: String, plan: Plan, createdAt: Date, createdBy: String) {
        self.digest = digest
        self.contentDigest = contentDigest
        self.plan = plan
        self.createdAt = createdAt
        self.createdBy = createdBy
    }
}

extension Session {
    public var plans: PlanQueries { PlanQueries(session: self) }
}

/// Plans, and what people and other systems said of them.
public struct PlanQueries {
    let session: Session

    private static let select = "SELECT digest, content_digest, created_at, created_by FROM plan"

    /// The document is large, and mostly known.
    private func plan(_ row: Row) throws -> PlanRow {
        let digest: String = row["digest"]
        let plan = try session.caches.plans.value(
            digest, { try session.value(String.self, "SELECT document FROM plan WHERE digest = ?", [digest]) },
            { try fromJSON(Plan.self, $0) })
        guard let plan else { throw StoreError.corrupt("plan \(digest) is gone") }
        return PlanRow(
            digest: digest, contentDigest: row["content_digest"], plan: plan, createdAt: Date(milliseconds: row["created_at"]),
            createdBy: row["created_by"])
    }

    public func find(_ digest: String) throws -> PlanRow? {
        try session.seen(try session.row("\(Self.select) WHERE digest = ?", [digest]).map(plan)) { $0.plan.environment }
    }

    /// At most `limit` plans whose digest begins so.
    public func matching(prefix: String, limit: Int) throws -> [PlanRow] {
        try session.rows(
            "\(Self.select) WHERE digest >= ? AND digest < ?\(session.inScope("environment")) ORDER BY digest LIMIT ?",
            [prefix, prefix + "g", limit]
        ).map(plan)
    }

    /// One with the same content that has not expired; the newest.
    public func equal(to contentDigest: String, environment: String) throws -> PlanRow? {
        try session.row(
            """
            \(Self.select) WHERE environment = ? AND content_digest = ? AND expires_at > ?
            ORDER BY expires_at DESC LIMIT 1
            """, [environment, contentDigest, session.now.milliseconds]
        ).map(plan)
    }

    /// Newest first, those older than `before`.
    public func list(environment: String?, before: String?, limit: Int) throws -> [PlanRow] {
        try session.rows(
            """
            \(Self.select) WHERE (?1 IS NULL OR environment = ?1)
                AND rowid < coalesce((SELECT rowid FROM plan WHERE digest = ?2), 9223372036854775807)\(session.inScope("environment"))
            ORDER BY rowid DESC LIMIT ?3
            """, [environment, before, limit]
        ).map(plan)
    }

    /// Storing what is there changes nothing.
    public func insert(_ row: PlanRow) throws {
        try session.change(
            """
            INSERT INTO plan (digest, environment, bundle_name, bundle_digest, content_digest, document, expires_at,
                created_at, created_by)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            [
                row.digest, row.plan.environment, row.plan.bundle.name, row.plan.bundle.digest, row.contentDigest,
                try jsonText(row.plan), row.plan.expiresAt.milliseconds, row.createdAt.milliseconds, row.createdBy,
            ])
    }

    /// Digests of bundles of plans that have not expired, and of changes that have not ended.
    public func neededBundles() throws -> Set<String> {
        Set(
            try session.rows(
                """
                SELECT bundle_digest FROM plan WHERE expires_at > ?
                UNION SELECT plan.bundle_digest FROM promotion JOIN plan ON plan.digest = promotion.plan
                    WHERE promotion.finished_at IS NULL
                """, [session.now.milliseconds]
            ).map { $0["bundle_digest"] })
    }

    public func addRequester(_ principal: String, of plan: String) throws {
        try session.change(
            "INSERT INTO plan_requester (plan, principal) VALUES (?, ?) ON CONFLICT DO NOTHING", [plan, principal])
    }

    public func requesters(of plan: String) throws -> Set<String> {
        Set(try session.rows("SELECT principal FROM plan_requester WHERE plan = ?", [plan]).map { $0["principal"] })
    }

    public func decide(_ plan: String, _ approval: GateFacts.Approval) throws {
        try session.change(
            "INSERT INTO plan_approval (plan, principal, approves, reason, at) VALUES (?, ?, ?, ?, ?)",
            [plan, approval.principal, approval.approves, approval.reason, approval.at.milliseconds])
    }

    /// In the order in which they were made.
    public func approvals(of plan: String) throws -> [GateFacts.Approval] {
        try session.rows("SELECT * FROM plan_approval WHERE plan = ? ORDER BY number", [plan]).map { row in
            .init(
                principal: row["principal"], approves: row["approves"], at: Date(milliseconds: row["at"]), reason: row["reason"])
        }
    }

    public enum WordKind: String, Sendable { case override, answer }

    /// The newest word of its kind replaces the one before.
    public func say(_ kind: WordKind, of gate: String, in plan: String, passed: Bool, by: String, message: String) throws {
        try session.change(
            """
            INSERT INTO plan_word (plan, gate, kind, passed, by, message, at) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (plan, gate, kind) DO UPDATE SET passed = excluded.passed, by = excluded.by,
                message = excluded.message, at = excluded.at
            """, [plan, gate, kind.rawValue, passed, by, message, session.now.milliseconds])
    }

    /// By gate.
    public func words(_ kind: WordKind, of plan: String) throws -> [String: GateFacts.Answer] {
        try session.rows("SELECT * FROM plan_word WHERE plan = ? AND kind = ?", [plan, kind.rawValue])
            .reduce(into: [:]) { words, row in
                words[row["gate"]] = .init(
                    passed: row["passed"], at: Date(milliseconds: row["at"]), by: row["by"], message: row["message"])
            }
    }

    public func keepComparison(of asset: AssetName, in plan: String, inquiry: String) throws {
        try session.change(
            """
            INSERT INTO plan_comparison (plan, asset, inquiry) VALUES (?, ?, ?)
            ON CONFLICT (plan, asset) DO UPDATE SET inquiry = excluded.inquiry
            """, [plan, asset.description, inquiry])
    }

    /// Inquiries by asset.
    public func comparisons(of plan: String) throws -> [AssetName: String] {
        try session.rows("SELECT asset, inquiry FROM plan_comparison WHERE plan = ?", [plan]).reduce(into: [:]) {
            if let asset = AssetName($1["asset"] as String) { $0[asset] = $1["inquiry"] }
        }
    }

    // MARK: Demotions

    /// Why the bundle is not to come back to the environment.
    public func demotion(of digest: String, environment: String) throws -> (reason: String, by: String)? {
        try session.row("SELECT reason, by FROM demotion WHERE environment = ? AND digest = ?", [environment, digest])
            .map { ($0["reason"], $0["by"]) }
    }

    public func demote(_ digest: String, environment: String, reason: String, by: String) throws {
        try session.change(
            """
            INSERT INTO demotion (environment, digest, reason, at, by) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (environment, digest) DO NOTHING
            """, [environment, digest, reason, session.now.milliseconds, by])
    }

    public func readmit(_ digest: String, environment: String) throws {
        try session.change("DELETE FROM demotion WHERE environment = ? AND digest = ?", [environment, digest])
    }
}
