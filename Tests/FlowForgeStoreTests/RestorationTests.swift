import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import GRDB
import Testing

@testable import FlowForgeStore

@Suite(.timeLimit(.minutes(1))) struct RestorationTests {
    private let madeAt = Date(timeIntervalSince1970: 1_800_000_000)

    /// What the store of a restored backup gives out next.
    private struct Next: Equatable {
        var knownPool, newPool, audit: Int64
        var knownAsset, newAsset: Int
    }

    private static func publish(_ name: String, _ session: Session) throws -> Int {
        guard let asset = AssetName(name) else { throw StoreError.failed(name) }
        return try session.publications.publish(
            .make(), location: "snapshots/a", of: asset, environment: "dev", pool: "p", offerAt: session.now
        ).version
    }

    private func use(_ store: Store) async throws -> Next {
        try await store.write { session in
            try session.audit.append(actor: .system("test"), action: "a.b", subject: "c")
            return Next(
                knownPool: try session.attempts.nextFencing(pool: "p"),
                newPool: try session.attempts.nextFencing(pool: "\(UUID())"),
                audit: try session.audit.list(action: "a.b", limit: 1000).last?.number ?? 0,
                knownAsset: try Self.publish("bronze.known", session),
                newAsset: try Self.publish("bronze.new_\(UInt32.random(in: 0 ... .max))", session))
        }
    }

    @Test func `a restored store gives out no number a second time, however often the same backup is restored`() async throws {
        let temporary = try TemporaryStore()
        let first = try await use(temporary.store)
        #expect(first.knownPool == 1 && first.newPool == 1 && first.knownAsset == 1 && first.newAsset == 1)
        let backup = temporary.folder.appending(path: "backup.db").path
        #expect(try temporary.store.copy(to: backup).lastAuditEntry == first.audit)
        // What is given out after the backup is what a restored store must not give out again.
        var last = try await use(temporary.store)
        for hours in 1...3 {
            let path = temporary.folder.appending(path: "restored-\(hours).db").path
            try FileManager.default.copyItem(atPath: backup, toPath: path)
            var options = Store.Options()
            options.restoration = Restoration(
                backup: "b", madeAt: madeAt, restoredAt: madeAt.addingTimeInterval(Double(hours) * 3600))
            let restored = try Store(path: path, options: options)
            let next = try await use(restored)
            #expect(
                next.knownPool > last.knownPool && next.newPool > last.newPool && next.audit > last.audit
                    && next.knownAsset > last.knownAsset && next.newAsset > last.newAsset, "\(next) after \(last)")
            last = try await use(restored)
            try restored.close()
        }
    }

    @Test func `a restoration is taken note of once, and makes join tokens useless`() async throws {
        let temporary = try TemporaryStore()
        let token = try await temporary.store.write { session in
            try session.change(
                """
                INSERT INTO join_token (id, token_hash, pool, uses, created_at, created_by, expires_at)
                VALUES ('t', x'00', 'p', 5, 0, 'x', 9999999999999)
                """)
            return "t"
        }
        try temporary.store.close()
        var options = Store.Options()
        options.restoration = Restoration(backup: "b", madeAt: madeAt, restoredAt: madeAt + 60)
        // A crash before the mark was removed: the next start finds it again.
        for _ in 0..<2 {
            let store = try Store(path: temporary.path, options: options)
            try await store.read { session in
                #expect(try session.audit.list(action: "control-plane.restore", limit: 9).count == 1)
                #expect(try session.restorations.last()?.backup == "b")
                let revokedAt: Int64? = try session.row("SELECT revoked_at FROM join_token WHERE id = ?", [token])?["revoked_at"]
                #expect(revokedAt != nil)
            }
            try store.close()
        }
    }

    @Test func `a copy is one moment of a database that is written to`() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        try await store.write { session in
            try session.change("CREATE TABLE pair (side TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT")
            try session.change("INSERT INTO pair VALUES ('left', 0), ('right', 0)")
            // Several steps of a backup.
            try session.change("CREATE TABLE weight (body BLOB)")
            for _ in 0..<200 { try session.change("INSERT INTO weight VALUES (randomblob(65536))") }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let copies = Counter()
            group.addTask {
                while copies.count < 3 {
                    try await store.write { session in
                        try session.change("UPDATE pair SET value = value + 1 WHERE side = 'left'")
                        try session.change("UPDATE pair SET value = value + 1 WHERE side = 'right'")
                    }
                }
            }
            group.addTask {
                for index in 0..<3 {
                    let path = temporary.folder.appending(path: "copy-\(index).db").path
                    _ = try store.copy(to: path)
                    let copy = try DatabaseQueue(path: path)
                    let values = try await copy.read { try Int.fetchAll($0, sql: "SELECT value FROM pair") }
                    #expect(values.count == 2 && values[0] == values[1], "\(values)")
                    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
                    copies.add()
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `damage that a copy finds is remembered`() async throws {
        let temporary = try TemporaryStore()
        try await temporary.store.write { session in
            try session.change("CREATE TABLE weight (body TEXT)")
            for _ in 0..<500 { try session.change("INSERT INTO weight VALUES (hex(randomblob(500)))") }
        }
        try temporary.store.close()
        let file = URL(filePath: temporary.path)
        var bytes = try Data(contentsOf: file)
        bytes.replaceSubrange((bytes.count - 4096)..., with: Data(count: 4096))
        try bytes.write(to: file)
        let store = try Store(path: temporary.path)
        // Nothing that it reads is damaged.
        try await store.probe()
        let isDamage = { (error: any Error) in if case StoreError.corrupt = error { true } else { false } }
        #expect { _ = try store.copy(to: temporary.folder.appending(path: "copy.db").path) } throws: { isDamage($0) }
        await #expect { try await store.probe() } throws: { isDamage($0) }
        try store.close()
    }
}
