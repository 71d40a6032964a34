public import FlowForgeDomain
public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var quality: QualityQueries { QualityQueries(session: self) }
}

/// How a bundle's digest fared in an environment, and what its tables take.
public struct QualityQueries {
    let session: Session

    /// Runs of exactly this digest, with the checks of the newest that ended of each flow.
    public func upstream(environment: String, digest: String) throws -> GateFacts.Upstream {
        var facts = GateFacts.Upstream()
        facts.since = try since(environment: environment, digest: digest)
        let flows = try session.rows(
            """
            SELECT flow, sum(state = 'succeeded') AS succeeded, max(id) AS newest, max(finished_at) AS last
            FROM run INDEXED BY run_by_digest
            WHERE environment = ? AND bundle_digest = ? AND finished_at IS NOT NULL GROUP BY flow
            """, [environment, digest])
        for row in flows {
            let (flow, newest): (String, String) = (row["flow"], row["newest"])
            facts.succeeded[flow] = row["succeeded"]
            facts.lastRunAt = [facts.lastRunAt, row.date("last")].compactMap(\.self).max()
            let state = try session.value(String.self, "SELECT state FROM run WHERE id = ?", [newest])
            if state != "succeeded" { facts.failedFlows.append(flow) }
            let attempts = try session.rows(
                """
                SELECT a.checks, coalesce(t.output, t.name) AS subject FROM attempt a JOIN task t ON t.id = a.task
                WHERE a.run = ? AND a.checks IS NOT NULL
                    AND a.number = (SELECT max(number) FROM attempt b WHERE b.task = a.task)
                """, [newest])
            for attempt in attempts {
                let subject: String = attempt["subject"]
                for check in try attempt.json([CheckResult].self, "checks") where !check.passed {
                    if check.severity == .warn {
                        facts.warnedChecks.append("\(subject).\(check.name)")
                    } else {
                        facts.failedChecks.append("\(subject).\(check.name)")
                    }
                }
            }
        }
        return facts
    }

    /// Since when releases of this digest have followed one another up to now.
    private func since(environment: String, digest: String) throws -> Date? {
        let releases = try session.rows(
            """
            SELECT bundle_digest, is_current, created_at FROM release
            WHERE environment = ?1 AND bundle_name = (SELECT name FROM bundle WHERE digest = ?2)
            ORDER BY number DESC LIMIT 200
            """, [environment, digest])
        guard let current = releases.firstIndex(where: { $0["is_current"] }) else { return nil }
        var since: Date?
        for row in releases[current...] {
            guard (row["bundle_digest"] as String) == digest else { break }
            since = Date(milliseconds: row["created_at"])
        }
        return since
    }

    /// Seconds that the newest successful attempts at an asset took, on average, of at most twenty.
    public func typicalSeconds(environment: String, of assets: Set<AssetName>) throws -> [AssetName: Double] {
        let rows = try session.rows(
            """
            SELECT asset.name AS asset, (SELECT avg(finished_at - started_at) FROM (
                SELECT a.finished_at, a.started_at FROM snapshot s JOIN attempt a ON a.id = s.attempt
                WHERE s.environment = asset.environment AND s.asset = asset.name AND a.started_at IS NOT NULL
                ORDER BY s.version DESC LIMIT 20)) AS took
            FROM asset WHERE environment = ? AND name IN (SELECT value FROM json_each(?))
            """, [environment, try jsonText(assets.map(\.description))])
        return rows.reduce(into: [:]) { seconds, row in
            let took: Double? = row["took"]
            if let asset = AssetName(row["asset"] as String), let took { seconds[asset] = took / 1000 }
        }
    }

    /// The digest of the bundle that made the current snapshot of each table, and its columns.
    public func live(environment: String) throws -> [AssetName: (digest: String, columns: [ColumnSchema])] {
        try session.rows(
            """
            SELECT asset.name, run.bundle_digest, asset_schema.columns FROM asset
            JOIN snapshot ON snapshot.id = asset.snapshot JOIN run ON run.id = snapshot.run
            JOIN asset_schema ON asset_schema.id = snapshot.schema WHERE asset.environment = ?
            """, [environment]
        ).reduce(into: [:]) { live, row in
            if let asset = AssetName(row["name"] as String) {
                live[asset] = (row["bundle_digest"], try row.json([ColumnSchema].self, "columns"))
            }
        }
    }

    /// Runs of the bundle that go on with another digest than this, since before `time`.
    public func strays(environment: String, bundle: String, digest: String, before time: Date) throws -> [(
        run: ID<Run>, digest: String
    )] {
        try session.rows(
            """
            SELECT id, bundle_digest FROM run INDEXED BY run_open_by_flow
            WHERE environment = ? AND bundle = ? AND finished_at IS NULL
                AND bundle_digest <> ? AND created_at < ? ORDER BY id LIMIT 100
            """, [environment, bundle, digest, time.milliseconds]
        ).map { (try $0.id("id"), $0["bundle_digest"]) }
    }

    /// The moments that successful runs of the flow were meant for.
    public func span(environment: String, bundle: String, flow: String) throws -> (from: Date, through: Date, runs: Int)? {
        let row = try session.row(
            """
            SELECT min(scheduled_for) AS first, max(scheduled_for) AS last, count(DISTINCT scheduled_for) AS runs FROM run
            WHERE environment = ? AND bundle = ? AND flow = ? AND scheduled_for IS NOT NULL AND state = 'succeeded'
            """, [environment, bundle, flow])
        guard let row, let first = row.date("first"), let last = row.date("last") else { return nil }
        return (first, last, row["runs"])
    }
}
