public import FlowForgeDomain
internal import FlowForgeProtocol
public import Foundation
internal import GRDB

/// Somebody's word that a finding is known and left for a time.
public struct DriftSuppression: Sendable, Hashable {
    public var finding: String
    public var owner: String
    public var reason: String
    public var until: Date

    public init(finding: String, owner: String, reason: String, until: Date) {
        self.finding = finding
        self.owner = owner
        self.reason = reason
        self.until = until
    }
}

extension Session {
    public var drift: DriftQueries { DriftQueries(session: self) }
}

/// What is not as it was applied.
public struct DriftQueries {
    let session: Session

    public struct Found: Sendable, Hashable {
        public var bundle: String
        public var finding: DriftFinding
        public var since: Date
    }

    /// Makes `findings` all that is known of the bundle; those that were there keep their time.
    public func replace(_ findings: [DriftFinding], environment: String, bundle: String) throws {
        let keys = findings.map(\.key)
        try session.change(
            """
            DELETE FROM drift_finding WHERE environment = ? AND bundle = ?
                AND finding NOT IN (SELECT value FROM json_each(?))
            """, [environment, bundle, try jsonText(keys)])
        for finding in findings {
            try session.change(
                """
                INSERT INTO drift_finding (environment, bundle, finding, body, since) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (environment, bundle, finding) DO UPDATE SET body = excluded.body
                """,
                [environment, bundle, finding.key, try jsonText(finding), session.now.milliseconds])
        }
    }

    public func remove(_ finding: String, environment: String, bundle: String) throws {
        try session.change(
            "DELETE FROM drift_finding WHERE environment = ? AND bundle = ? AND finding = ?", [environment, bundle, finding])
    }

    /// Drops what was found of bundles that are released no more.
    public func forget(environment: String, but bundles: [String]) throws {
        try session.change(
            "DELETE FROM drift_finding WHERE environment = ? AND bundle NOT IN (SELECT value FROM json_each(?))",
            [environment, try jsonText(bundles)])
    }

    /// By bundle and finding.
    public func findings(environment: String, bundle: String? = nil) throws -> [Found] {
        try session.rows(
            """
            SELECT bundle, body, since FROM drift_finding WHERE environment = ?1 AND (?2 IS NULL OR bundle = ?2)
            ORDER BY bundle, finding
            """, [environment, bundle]
        ).map { row in
            Found(
                bundle: row["bundle"], finding: try row.json(DriftFinding.self, "body"), since: Date(milliseconds: row["since"]))
        }
    }

    public func suppress(_ suppression: DriftSuppression, environment: String) throws {
        try session.change(
            """
            INSERT INTO drift_suppression (environment, finding, owner, reason, until, created_at) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (environment, finding) DO UPDATE SET owner = excluded.owner, reason = excluded.reason,
                until = excluded.until, created_at = excluded.created_at
            """,
            [
                environment, suppression.finding, suppression.owner, suppression.reason, suppression.until.milliseconds,
                session.now.milliseconds,
            ])
    }

    /// Returns whether there was one.
    public func unsuppress(_ finding: String, environment: String) throws -> Bool {
        try session.change("DELETE FROM drift_suppression WHERE environment = ? AND finding = ?", [environment, finding]) > 0
    }

    /// Those that have not expired.
    public func suppressions(environment: String) throws -> [DriftSuppression] {
        try session.rows(
            "SELECT * FROM drift_suppression WHERE environment = ? AND until > ? ORDER BY finding",
            [environment, session.now.milliseconds]
        ).map { row in
            DriftSuppression(
                finding: row["finding"], owner: row["owner"], reason: row["reason"], until: Date(milliseconds: row["until"]))
        }
    }

    /// When the environment was looked at last, and the question to its agents that belongs to it.
    public func look(environment: String) throws -> (at: Date, inquiry: String?)? {
        try session.row("SELECT at, inquiry FROM drift_look WHERE environment = ?", [environment]).map {
            (Date(milliseconds: $0["at"]), $0["inquiry"])
        }
    }

    public func looked(environment: String, inquiry: String?) throws {
        try session.change(
            """
            INSERT INTO drift_look (environment, at, inquiry) VALUES (?, ?, ?)
            ON CONFLICT (environment) DO UPDATE SET at = excluded.at, inquiry = excluded.inquiry
            """, [environment, session.now.milliseconds, inquiry])
    }
}
