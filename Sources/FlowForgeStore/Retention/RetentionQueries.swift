public import FlowForgeProtocol
public import Foundation
internal import GRDB

extension Session {
    public var retention: RetentionQueries { RetentionQueries(session: self) }
}

/// Removes what is old, a little at a time: each call is a short transaction.
///
/// Never touched: runs that have not ended, the audit trail, and runs that something current still refers
/// to, which is what made a current snapshot or one that a recent release would return to, the lineage of an asset, or what a re-run took over.
public struct RetentionQueries {
    let session: Session

    /// What a call removed, and whether there may be more to remove.
    public struct Removed: Sendable, Hashable {
        public var rows = 0
        public var isMore = false
    }

    /// What runs have beside their tasks and attempts.
    public enum Detail: String, Sendable, CaseIterable {
        case logs = "log_chunk"
        case lineageEvents = "lineage_event"
    }

    /// Removes up to `limit` rows of runs that finished before `cutoff`, the oldest first.
    public func remove(_ detail: Detail, before cutoff: Date, limit: Int) throws -> Removed {
        var removed = Removed()
        let stored = try session.row("SELECT finished, run FROM retention_mark WHERE noun = ?", [detail.rawValue])
        var mark: (finished: Int64, run: String) = (stored?["finished"] ?? 0, stored?["run"] ?? "")
        let before = mark
        for _ in 0..<100 {
            guard
                let run = try session.row(
                    """
                    SELECT id, finished_at FROM run WHERE finished_at IS NOT NULL AND (finished_at, id) > (?, ?) AND finished_at < ?
                    ORDER BY finished_at, id LIMIT 1
                    """, [mark.finished, mark.run, cutoff.milliseconds])
            else { return try set(mark, of: detail, before, removed) }
            let rest = limit - removed.rows
            let count = try session.change(
                "DELETE FROM \(detail.rawValue) WHERE number IN (SELECT number FROM \(detail.rawValue) WHERE run = ? LIMIT ?)",
                [run["id"] as String, rest])
            removed.rows += count
            if count == rest { break }
            mark = (run["finished_at"], run["id"])
        }
        removed.isMore = true
        return try set(mark, of: detail, before, removed)
    }

    private func set(
        _ mark: (finished: Int64, run: String), of detail: Detail, _ before: (finished: Int64, run: String), _ removed: Removed
    ) throws -> Removed {
        if mark != before {
            try session.change(
                "INSERT OR REPLACE INTO retention_mark (noun, finished, run) VALUES (?, ?, ?)",
                [detail.rawValue, mark.finished, mark.run])
        }
        return removed
    }

    /// A place in the order in which runs ended.
    public struct RunPlace: Sendable, Hashable {
        public var run: ID<Run>
        var finished: Int64
    }

    /// Runs that ended before `cutoff` and that nothing current refers to, behind `place`, the oldest first.
    ///
    /// What the last `releases` former releases of a bundle in an environment pointed to is referred to.
    public func runs(before cutoff: Date, keeping releases: Int, after place: RunPlace?, limit: Int) throws -> [RunPlace] {
        try session.rows(
            "\(Self.removableSQL) AND (finished_at, id) > (?3, ?4) ORDER BY finished_at, id LIMIT ?5",
            [cutoff.milliseconds, releases, place?.finished ?? 0, place?.run.description ?? "", limit]
        ).map { RunPlace(run: try $0.id("id"), finished: $0["finished_at"]) }
    }

    static let removableSQL = """
        SELECT id, finished_at FROM run WHERE finished_at IS NOT NULL AND finished_at < ?1
            AND NOT EXISTS (SELECT 1 FROM snapshot s JOIN asset a ON a.snapshot = s.id WHERE s.run = run.id)
            AND NOT EXISTS (SELECT 1 FROM attempt t JOIN publication p
                ON p.environment = t.environment AND p.asset = t.output AND p.snapshot = t.snapshot
                WHERE t.run = run.id AND t.snapshot IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM attempt t JOIN lineage_edge e ON e.attempt = t.id WHERE t.run = run.id)
            AND NOT EXISTS (SELECT 1 FROM attempt t JOIN task k ON k.reused_attempt = t.id
                WHERE t.run = run.id AND k.run <> run.id)
            AND NOT EXISTS (SELECT 1 FROM snapshot s JOIN release_pointer p ON p.snapshot = s.id JOIN release r ON r.id = p.release
                WHERE s.run = run.id AND (SELECT count(*) FROM release n WHERE n.environment = r.environment
                    AND n.bundle_name = r.bundle_name AND n.serial > r.serial) <= ?2)
        """

    /// Removes up to `limit` rows of the run, itself at last; `isMore` until it is gone. One with more
    /// rows than that is seen without some of them meanwhile. Nothing is done, and `isMore` is false,
    /// when it must be kept after all.
    public func remove(_ place: RunPlace, before cutoff: Date, keeping releases: Int, limit: Int) throws -> Removed {
        let run = place.run.description
        guard try session.row("\(Self.removableSQL) AND id = ?3", [cutoff.milliseconds, releases, run]) != nil else {
            return Removed()
        }
        var removed = Removed()
        for sql in Self.partsSQL {
            let rest = limit - removed.rows
            removed.rows += try session.change(sql, [run, rest])
            if removed.rows >= limit {
                removed.isMore = true
                return removed
            }
        }
        removed.rows += try session.change("DELETE FROM run WHERE id = ?", [run])
        return removed
    }

    /// Children before those they refer to.
    private static let partsSQL = [
        "DELETE FROM log_chunk WHERE number IN (SELECT number FROM log_chunk WHERE run = ? LIMIT ?)",
        "DELETE FROM lineage_event WHERE number IN (SELECT number FROM lineage_event WHERE run = ? LIMIT ?)",
        "DELETE FROM snapshot WHERE id IN (SELECT id FROM snapshot WHERE run = ? LIMIT ?)",
        "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE run = ? LIMIT ?)",
        """
        DELETE FROM task_dependency WHERE (task, upstream) IN
            (SELECT d.task, d.upstream FROM task t JOIN task_dependency d ON d.task = t.id WHERE t.run = ? LIMIT ?)
        """,
        "DELETE FROM task WHERE id IN (SELECT id FROM task WHERE run = ? LIMIT ?)",
    ]

    /// How many runs have details to be removed; counts to 100,000 at most.
    public func due(_ detail: Detail, before cutoff: Date) throws -> Int {
        try session.row(
            """
            SELECT count(*) AS count FROM (SELECT 1 FROM run
                WHERE finished_at IS NOT NULL AND finished_at < ?1
                AND (finished_at, id) > (coalesce((SELECT finished FROM retention_mark WHERE noun = ?2), 0),
                    coalesce((SELECT run FROM retention_mark WHERE noun = ?2), ''))
                LIMIT 100000)
            """, [cutoff.milliseconds, detail.rawValue])?["count"] ?? 0
    }

    /// How many runs would be removed; counts to 100,000 at most.
    public func dueRuns(before cutoff: Date, keeping releases: Int) throws -> Int {
        try session.row(
            "SELECT count(*) AS count FROM (\(Self.removableSQL) LIMIT 100000)", [cutoff.milliseconds, releases])?["count"] ?? 0
    }
}
