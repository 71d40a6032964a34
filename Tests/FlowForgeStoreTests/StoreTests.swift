import FlowForgeProtocol
import Foundation
import GRDB
import Synchronization
import Testing

@testable import FlowForgeStore

@Suite(.timeLimit(.minutes(1))) struct StoreTests {
    private struct Planned: Error, Equatable {}

    private func table(_ store: Store) async throws {
        try await store.write { _ = try $0.change("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT) STRICT") }
    }

    private func names(_ store: Store) async throws -> [String] {
        try await store.read { try $0.rows("SELECT name FROM item ORDER BY id").map { $0["name"] } }
    }

    @Test func `every commit is synced to disk`() throws {
        // GRDB lowers it to NORMAL (1) on the way to WAL.
        let temporary = try TemporaryStore()
        #expect(try temporary.store.synchronousLevel() == 2)
    }

    @Test func `writes that wait together are committed together, and one that throws undoes only itself`() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        try await table(store)
        let before = temporary.commits.count
        let (entered, gate) = (Counter(), Gate())
        let results = try await withThrowingTaskGroup(of: Result<Int, any Error>.self) { group in
            group.addTask {
                try await store.write { _ in
                    entered.add()
                    gate.pass()
                }
                return .success(-1)
            }
            try await until { entered.count == 1 }
            for index in 0..<100 {
                group.addTask {
                    do {
                        return .success(
                            try await store.write { session in
                                try session.change("INSERT INTO item (name) VALUES (?)", ["\(index)"])
                                if index == 50 { throw Planned() }
                                return index
                            })
                    } catch {
                        return .failure(error)
                    }
                }
            }
            try await until { store.waitingWrites >= 100 }
            gate.open()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let failures = results.compactMap { if case .failure(let error) = $0 { error } else { nil } }
        #expect(failures.count == 1 && failures.first is Planned)
        let stored = Set(try await names(store))
        #expect(stored == Set((0..<100).filter { $0 != 50 }.map(String.init)))
        #expect(temporary.commits.count - before == 2, "one for the first, one for the hundred behind it")
    }

    @Test func `writes are applied in the order in which they were asked for`() async throws {
        let temporary = try TemporaryStore { $0.largestGroup = 7 }
        let store = temporary.store
        try await table(store)
        let gate = Gate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            let entered = Counter()
            group.addTask {
                try await store.write { _ in
                    entered.add()
                    gate.pass()
                }
            }
            try await until { entered.count > 0 }
            for index in 0..<40 {
                group.addTask {
                    try await store.write { _ = try $0.change("INSERT INTO item (name) VALUES (?)", ["\(index)"]) }
                }
                try await until { store.waitingWrites >= index + 1 }
            }
            gate.open()
            try await group.waitForAll()
        }
        #expect(try await names(store) == (0..<40).map(String.init))
    }

    @Test(arguments: Store.FaultPoint.allCases)
    func `a fault is answered, and what was not committed is not there`(point: Store.FaultPoint) async throws {
        let isArmed = Mutex(false)
        let temporary = try TemporaryStore {
            $0.fault = { at in
                if at == point, isArmed.withLock({ $0 }) { throw Planned() }
            }
        }
        let store = temporary.store
        try await table(store)
        isArmed.withLock { $0 = true }
        let woken = Counter()
        await #expect(throws: Planned.self) {
            try await store.write { session in
                try session.change("INSERT INTO item (name) VALUES ('kept?')")
                session.whenCommitted { woken.add() }
            }
        }
        isArmed.withLock { $0 = false }
        // After the commit only the reply is lost: the caller cannot know, the change is there.
        #expect(try await names(store) == (point == .afterCommit ? ["kept?"] : []))
        #expect(woken.count == (point == .afterCommit ? 1 : 0))
        try await store.write { _ = try $0.change("INSERT INTO item (name) VALUES ('later')") }
        #expect(try await names(store).last == "later")
    }

    @Test func `a full disk is said so, reading goes on, and writing too once there is room`() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        try await table(store)
        try await store.write { session in
            let pages: Int = try session.row("PRAGMA page_count")?[0] ?? 0
            _ = try session.rows("PRAGMA max_page_count = \(pages + 2)")
        }
        await #expect(throws: StoreError.full) {
            try await store.write {
                _ = try $0.change("INSERT INTO item (name) VALUES (?)", [String(repeating: "x", count: 200_000)])
            }
        }
        #expect(try await names(store) == [])
        try await store.write { _ = try $0.rows("PRAGMA max_page_count = 1000000") }
        try await store.write { _ = try $0.change("INSERT INTO item (name) VALUES ('fits')") }
        #expect(try await names(store) == ["fits"])
    }

    @Test func `a database that another process holds is busy`() async throws {
        let temporary = try TemporaryStore()
        var options = Store.Options()
        options.busyTimeout = 0.05
        let other = try Store(path: temporary.path, options: options)
        let (held, release) = (Counter(), Gate())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await temporary.store.write { _ in
                    held.add()
                    release.pass()
                }
            }
            try await until { held.count > 0 }
            await #expect(throws: StoreError.busy) { try await other.write { _ in } }
            release.open()
            try await group.waitForAll()
        }
        try await other.write { _ in }
        try other.close()
    }

    @Test func `too many waiting writes are refused rather than kept`() async throws {
        let temporary = try TemporaryStore { $0.largestQueue = 2 }
        let store = temporary.store
        let (held, release) = (Counter(), Gate())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await store.write { _ in
                    held.add()
                    release.pass()
                }
            }
            try await until { held.count > 0 }
            for _ in 0..<2 { group.addTask { try await store.write { _ in } } }
            try await until { store.waitingWrites >= 2 }
            await #expect(throws: StoreError.busy) { try await store.write { _ in } }
            release.open()
            try await group.waitForAll()
        }
    }

    @Test func `a database of a newer version is refused`() async throws {
        let temporary = try TemporaryStore()
        try await temporary.store.write {
            _ = try $0.change("INSERT INTO grdb_migrations (identifier) VALUES ('9999-of-the-future')")
        }
        #expect(throws: StoreError.newerDatabase) { try Store(path: temporary.path) }
    }

    @Test func `a file that is no database is called damaged`() throws {
        let temporary = try TemporaryStore()
        let path = temporary.folder.appending(path: "other.db").path
        try Data(repeating: 0x41, count: 8192).write(to: URL(filePath: path))
        #expect {
            try Store(path: path)
        } throws: { error in
            if case StoreError.corrupt = error { true } else { false }
        }
    }

    @Test(arguments: [("'x', 1", "column 1 of SpoolRow"), ("'{id}', NULL", "column 2 of SpoolRow")])
    func `a row that cannot be read is called damaged, with its column`(values: String, place: String) async throws {
        let store = try TemporaryStore().store
        let sql = "SELECT " + values.replacing("{id}", with: ID<Agent>.make().description)
        await #expect {
            try await store.read { try $0.first(SpoolRow.self, sql) }
        } throws: { error in
            if case StoreError.corrupt(let reason) = error { reason.contains(place) } else { false }
        }
    }

    @Test func `a part of an operation is undone alone, with what it wanted to do afterwards`() async throws {
        struct Planned: Error {}
        let store = try TemporaryStore().store
        try await table(store)
        let said = Mutex<[String]>([])
        let say = { @Sendable (word: String) in { @Sendable in said.withLock { $0.append(word) } } }
        try await store.write { session in
            session.whenCommitted(say("whole committed"))
            session.whenUndone(say("whole undone"))
            try session.change("INSERT INTO item (name) VALUES ('whole')")
            let part = try session.part {
                session.whenCommitted(say("part committed"))
                session.whenUndone(say("part undone"))
                try session.change("INSERT INTO item (name) VALUES ('part')")
                throw Planned()
            }
            #expect(throws: Planned.self) { try part.get() }
        }
        #expect(try await names(store) == ["whole"])
        #expect(said.withLock(\.self) == ["part undone", "whole committed"])
        await #expect(throws: Planned.self) {
            try await store.write { session in
                session.whenUndone(say("undone"))
                throw Planned()
            }
        }
        #expect(said.withLock(\.self).last == "undone")
    }

    @Test func `a commit that fails undoes all its operations, and tells each`() async throws {
        struct Planned: Error {}
        let temporary = try TemporaryStore { $0.fault = { if $0 == .beforeCommit { throw Planned() } } }
        let said = Mutex(0)
        await #expect(throws: Planned.self) {
            try await temporary.store.write { $0.whenUndone { said.withLock { $0 += 1 } } }
        }
        #expect(said.withLock(\.self) == 1)
    }

    @Test func `a closed store takes no more writes`() async throws {
        let temporary = try TemporaryStore()
        try temporary.store.close()
        await #expect(throws: StoreError.closed) { try await temporary.store.write { _ in } }
    }

    @Test func `what was committed is there after opening again`() async throws {
        let temporary = try TemporaryStore()
        try await table(temporary.store)
        try await temporary.store.write { _ = try $0.change("INSERT INTO item (name) VALUES ('kept')") }
        try temporary.store.close()
        let again = try Store(path: temporary.path)
        #expect(try await names(again) == ["kept"])
        try again.close()
    }
}
