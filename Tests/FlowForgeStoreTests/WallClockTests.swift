import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import GRDB
import Synchronization
import Testing

@testable import FlowForgeStore

/// Two clocks that a test moves together or apart.
private final class Clocks: Sendable {
    private let state = Mutex((wall: Date(timeIntervalSince1970: 1_800_000_000), steady: 0.0))
    var wall: Date { state.withLock { $0.wall } }
    var steady: Double { state.withLock { $0.steady } }
    func pass(_ seconds: Double) {
        state.withLock {
            $0.wall.addTimeInterval(seconds); $0.steady += seconds
        }
    }
    func set(by seconds: Double) { state.withLock { $0.wall.addTimeInterval(seconds) } }
}

@Suite(.timeLimit(.minutes(1))) struct WallClockTests {
    private let noon = Date(timeIntervalSince1970: 1_800_000_000)

    @Test func `time that passes on both clocks is no step`() {
        let watch = WallClockWatch(wall: noon, steady: 50)
        #expect(watch.step(wall: noon + 3600, steady: 3650) == nil)
        #expect(watch.now(wall: noon + 3600, steady: 3650) == noon + 3600)
    }

    @Test(arguments: [3600.0, -3600, 1.5, -1.5]) func `a step is noticed and time goes on until it is adopted`(by seconds: Double)
    {
        var watch = WallClockWatch(wall: noon, steady: 0)
        let wall = noon + 10 + seconds
        #expect(watch.step(wall: wall, steady: 10)?.seconds == seconds)
        #expect(watch.now(wall: wall, steady: 10) == noon + 10)
        watch.adopt(WallClockWatch.Step(seconds: seconds))
        #expect(watch.step(wall: wall + 5, steady: 15) == nil)
        #expect(watch.now(wall: wall + 5, steady: 15) == wall + 5)
    }

    @Test func `small corrections are tolerated until they add up`() {
        let watch = WallClockWatch(wall: noon, steady: 0)
        #expect(watch.step(wall: noon + 10.9, steady: 10) == nil)
        #expect(watch.now(wall: noon + 10.9, steady: 10) == noon + 10.9, "the wall clock's own time")
        #expect(watch.step(wall: noon + 21.8, steady: 20)?.seconds == noon.addingTimeInterval(21.8).timeIntervalSince(noon + 20))
    }

    @Test(arguments: [7200.0, -7200]) func `stored deadlines follow the wall clock, each by exactly the step`(by seconds: Double)
        async throws
    {
        let clocks = Clocks()
        let stepped = Mutex<[Double]>([])
        let temporary = try TemporaryStore {
            $0.now = { clocks.wall }
            $0.steady = { clocks.steady }
            $0.clockStepped = { step in stepped.withLock { $0.append(step) } }
        }
        let store = temporary.store
        func offers() async throws -> [String: Int64] {
            try await store.read { session in
                try session.rows("SELECT asset, offer_at FROM publication").reduce(into: [:]) { $0[$1["asset"]] = $1["offer_at"] }
            }
        }
        @Sendable func insert(_ asset: String, _ session: Session) throws {
            try session.change(
                """
                INSERT INTO publication (environment, asset, pool, snapshot, version, location, accepted_at, offer_at)
                VALUES ('dev', ?, 'p', 's', 1, 'l', ?, ?)
                """, [asset, session.now.milliseconds, session.now.milliseconds + 10_000])
        }
        try await store.write { try insert("before", $0) }
        clocks.pass(2)
        clocks.set(by: seconds)
        // The first transaction after the step is of the new time as a whole.
        try await store.write { try insert("after", $0) }
        let start = noon.milliseconds
        let moved = Int64(seconds) * 1000
        #expect(try await offers() == ["before": start + 10_000 + moved, "after": start + 12_000 + moved])
        #expect(stepped.withLock { $0 } == [seconds])
        let entries = try await store.read { try $0.audit.list(action: "clock.step", limit: 9) }
        #expect(entries.count == 1 && entries.first?.at == clocks.wall)
        clocks.pass(3)
        try await store.write { _ in }
        #expect(try await offers().count == 2 && stepped.withLock { $0.count } == 1, "a step is followed once")
        #expect(try await store.read { $0.now } == clocks.wall)
    }

    @Test func `a step whose transaction fails is followed by the next`() async throws {
        struct Planned: Error {}
        let clocks = Clocks()
        let fails = Mutex(false)
        let temporary = try TemporaryStore {
            $0.now = { clocks.wall }
            $0.steady = { clocks.steady }
            $0.fault = { point in if point == .beforeCommit, fails.withLock({ $0 }) { throw Planned() } }
        }
        let store = temporary.store
        clocks.set(by: -600)
        fails.withLock { $0 = true }
        await #expect(throws: Planned.self) { try await store.write { _ in } }
        #expect(store.now() == noon, "not adopted")
        fails.withLock { $0 = false }
        try await store.write { _ in }
        #expect(store.now() == noon - 600)
        #expect(try await store.read { try $0.audit.list(action: "clock.step", limit: 9) }.count == 1)
    }

    @Test func `a reader that notices a step has it followed`() async throws {
        let clocks = Clocks()
        let temporary = try TemporaryStore {
            $0.now = { clocks.wall }
            $0.steady = { clocks.steady }
        }
        clocks.set(by: 600)
        _ = try await temporary.store.read { $0.now }
        try await until { temporary.store.now() == noon + 600 }
    }

    @Test func `every column of times is either moved or known to stand still`() async throws {
        let still: Set<String> = [
            "accepted_at", "admitted_at", "asked_at", "at", "confirmed_at", "created_at", "ended_at", "expires_at", "finished_at",
            "issued_at",
            "joined_at", "made_at", "moved_at", "restored_at", "arrived_at", "changed_at", "recorded_at",
            // Of schedules, backfills and secrets, which mean the wall clock itself.
            "next_at", "from_at", "until_at", "old_secret_until",
            "published_at", "paused_at", "pushed_at", "reported_at", "revoked_at", "set_at", "stale_report_at", "started_at",
            "yanked_at", "renewed_at", "removed_at", "requested_at", "ended_at",
        ]
        let moved = Set(DeadlineQueries.columns.map { "\($0.table).\($0.column)" })
        #expect(moved.count == DeadlineQueries.columns.count, "a column would be moved twice")
        let temporary = try TemporaryStore()
        let columns = try await temporary.store.read { session in
            try session.rows(
                """
                SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema t JOIN pragma_table_info(t.name) c
                WHERE t.type = 'table' AND (c.name LIKE '%\\_at' ESCAPE '\\' OR c.name = 'at' OR c.name LIKE '%\\_until' ESCAPE '\\')
                """
            ).map { (table: $0["table"] as String, column: $0["column"] as String) }
        }
        for (table, column) in columns where !still.contains(column) {
            #expect(moved.contains("\(table).\(column)"), "\(table).\(column): add it to DeadlineQueries.columns, or here")
        }
    }
}
