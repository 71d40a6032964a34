internal import Foundation
internal import GRDB

/// What keeps a bundle that nothing refers to; absent: no bundle goes for this reason.
public struct BundleRetention: Sendable, Hashable {
    /// The newest versions of a name, those that were yanked not counted.
    public var keepVersions: Int?
    /// From its last push on.
    public var keepAge: Duration?
    /// Releases of each bundle and environment, the current one first, whose bundles stay for a rollback.
    public var rollbackWindow = 10

    public init(keepVersions: Int? = nil, keepAge: Duration? = nil, rollbackWindow: Int = 10) {
        self.keepVersions = keepVersions
        self.keepAge = keepAge
        self.rollbackWindow = rollbackWindow
    }

    public var isOn: Bool { keepVersions != nil || keepAge != nil }
}

extension BundleQueries {
    /// Withdraws a version. Doing it again changes nothing but the reason.
    public func yank(digest: String, reason: String, by actor: String) throws {
        try session.change(
            "UPDATE bundle SET yanked_at = coalesce(yanked_at, ?), yanked_by = ?, yank_reason = ? WHERE digest = ?",
            [session.now.milliseconds, actor, reason, digest])
    }

    public func unyank(digest: String) throws {
        try session.change(
            "UPDATE bundle SET yanked_at = NULL, yanked_by = NULL, yank_reason = NULL WHERE digest = ?", [digest])
    }

    /// Notes that it was pushed again, and is there again if it had been removed.
    public func renew(digest: String) throws {
        try session.change(
            "UPDATE bundle SET renewed_at = ?, removed_at = NULL WHERE digest = ?", [session.now.milliseconds, digest])
    }

    /// Bundles that `retention` does not keep and that no current release, no release within the rollback window and no
    /// open run refers to; those behind `number`, the oldest first.
    public func due(_ retention: BundleRetention, after number: Int64, limit: Int) throws -> [BundleRow] {
        guard retention.isOn else { return [] }
        let cutoff =
            retention.keepAge.map { session.now.addingTimeInterval(-Double($0.components.seconds)).milliseconds } ?? Int64.max
        return try session.rows(
            """
            SELECT \(Self.columns) FROM bundle b
            WHERE removed_at IS NULL AND number > ?1 AND coalesce(renewed_at, pushed_at) < ?2
                AND (?3 IS NULL OR (
                    SELECT count(*) FROM bundle n
                    WHERE n.name = b.name AND n.number > b.number AND n.removed_at IS NULL AND n.yanked_at IS NULL) >= ?3)
                AND NOT EXISTS (
                    SELECT 1 FROM release r WHERE r.bundle_digest = b.digest AND (r.is_current = 1 OR r.serial > (
                        SELECT max(m.serial) FROM release m
                        WHERE m.environment = r.environment AND m.bundle_name = r.bundle_name) - ?4))
                AND NOT EXISTS (SELECT 1 FROM run WHERE run.bundle_digest = b.digest AND run.finished_at IS NULL)
            ORDER BY number LIMIT ?5
            """,
            [number, cutoff, retention.keepVersions, retention.rollbackWindow, limit]
        ).map(BundleRow.init)
    }

    /// Notes that its content goes. Its referrers go with it.
    public func remove(digest: String) throws {
        try session.change("DELETE FROM referrer WHERE subject = ?", [digest])
        try session.change("UPDATE bundle SET removed_at = ? WHERE digest = ?", [session.now.milliseconds, digest])
    }

    /// The digests of what is there: of bundles, whose parts their manifests name, and of all blobs of referrers.
    public func content() throws -> (bundles: Set<String>, referrers: Set<String>) {
        let bundles = try session.rows("SELECT digest FROM bundle WHERE removed_at IS NULL").map { $0["digest"] as String }
        let referrers = try session.rows("SELECT digest, envelope FROM referrer").flatMap {
            [$0["digest"] as String, $0["envelope"] as String]
        }
        return (Set(bundles), Set(referrers))
    }
}
