internal import GRDB

extension Store {
    /// Whether the database takes a write and gives a read: commits a write of the header's user
    /// version with the value that it has. Throws ``StoreError``; once damage was found, that.
    public func probe() async throws {
        try requireSound()
        try await write { session in
            let version = try Int.fetchOne(session.db, sql: "PRAGMA user_version") ?? 0
            try session.db.execute(sql: "PRAGMA user_version = \(version)")
        }
        _ = try await read { try Int.fetchOne($0.db, sql: "SELECT count(*) FROM principal") }
    }
}
