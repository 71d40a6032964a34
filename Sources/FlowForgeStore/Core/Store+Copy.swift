internal import Foundation
internal import GRDB

extension Store {
    /// A copy of the database that was checked.
    public struct Copied: Sendable {
        /// The number of the last entry of the audit trail that is in it.
        public var lastAuditEntry: Int64
        /// Digests of the bundles whose content it needs.
        public var bundles: [String]
    }

    /// Copies the database to a new file, as it is at one moment, while others read and write. Blocks
    /// the calling thread and takes one reader; the write-ahead log grows meanwhile.
    ///
    /// Throws ``StoreError/corrupt(_:)`` when the copy fails SQLite's integrity check: then the database
    /// itself is damaged, and ``probe()`` says so from then on. On a throw a part of the file may be left behind.
    public func copy(to path: String) throws -> Copied {
        do {
            // SQLite takes an empty file for an empty database; made here for its mode.
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
                throw StoreError.failed("cannot make \(path)")
            }
            let target = try DatabaseQueue(path: path)
            // In steps, so that the disk is left to others in between; all of them see one snapshot,
            // since they share the reader's transaction.
            try pool.backup(to: target, pagesPerStep: 2048)
            let copied = try target.writeWithoutTransaction { db in
                // One file, without a log beside it.
                _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
                let problems = try String.fetchAll(db, sql: "PRAGMA integrity_check(3)")
                guard problems == ["ok"] else { throw StoreError.corrupt(problems.joined(separator: "; ")) }
                return Copied(
                    lastAuditEntry: try Int64.fetchOne(db, sql: "SELECT max(number) FROM audit_entry") ?? 0,
                    bundles: try String.fetchAll(db, sql: "SELECT digest FROM bundle WHERE removed_at IS NULL"))
            }
            try target.close()
            return copied
        } catch {
            throw noted(error)
        }
    }
}
