internal import FlowForgeDomain
public import Foundation
internal import GRDB
internal import Synchronization

/// The control plane's database: SQLite in WAL mode, `synchronous=FULL`, one writer with group commit
/// and a pool of readers.
///
/// Writes that wait at the same time are committed together: each in a savepoint of its own, each
/// answered only after the one commit (and so one fsync) that carries them all. They are applied in
/// the order in which ``write(_:)`` was called.
public final class Store: Sendable {
    /// Where a test may make a write fail: see ``Options/fault``.
    public enum FaultPoint: Sendable, CaseIterable { case beforeBody, beforeCommit, afterCommit }

    public struct Options: Sendable {
        public var readers = 4
        /// The most operations that one transaction carries.
        public var largestGroup = 256
        /// The most writes that may wait; one more is refused with ``StoreError/busy``.
        public var largestQueue = 16_384
        /// Seconds that a write waits for another process that holds the database.
        public var busyTimeout = 5.0
        /// The wall clock.
        public var now: @Sendable () -> Date = { Date() }
        /// Seconds of a clock that nobody sets. With it stored deadlines follow the wall clock when it is
        /// set (``WallClockWatch``); without it `now` is taken as it is.
        public var steady: (@Sendable () -> Double)?
        /// Set when the database was just put back from a backup (``RestorationQueries/take(_:)``).
        public var restoration: Restoration?
        /// Called after the deadlines were moved, with the seconds by which the wall clock was set.
        public var clockStepped: @Sendable (Double) -> Void = { _ in }
        /// Reads and writes run on the calling thread, so that a simulation of one thread repeats
        /// exactly. It blocks a thread of Swift's tasks: not for a server.
        public var isInline = false
        /// Called at each point of each transaction; what it throws takes the transaction's place.
        public var fault: (@Sendable (FaultPoint) throws -> Void)?
        public init() {}

        /// The machine's clocks: what a daemon uses.
        public static var live: Options {
            var options = Options()
            let start = ContinuousClock.now
            options.steady = {
                let (seconds, attoseconds) = (ContinuousClock.now - start).components
                return Double(seconds) + Double(attoseconds) / 1e18
            }
            return options
        }
    }

    private struct PendingWrite: Sendable {
        var scope = Scope.platform
        let run: @Sendable (Session) throws -> Void
        /// `nil` once committed.
        let finish: @Sendable ((any Error)?) -> Void
    }

    /// What the writer has done since the store was opened.
    public struct WriteCounts: Sendable, Hashable {
        /// Transactions that were committed, each with one sync to disk.
        public var commits = 0
        /// Operations that they carried.
        public var operations = 0
        /// Operations that threw, or whose transaction failed.
        public var failures = 0
        /// Operations that were turned away because too many waited.
        public var refusals = 0
        /// Operations that wait now.
        public var waiting = 0
    }

    private struct Queue {
        var counts = WriteCounts()
        var waiting: [PendingWrite] = []
        var isDraining = false
        var isClosed = false
    }

    let pool: DatabasePool
    private let options: Options
    private let queue = Mutex(Queue())
    let certificateCache = CertificateCache()
    let caches = DigestCaches()
    private let watch: Mutex<WallClockWatch>
    /// What was found damaged since the store was opened: it does not heal by itself.
    private let damaged = Mutex<StoreError?>(nil)

    /// The log is copied into the database each 4,096 pages (16 MiB) instead of each thousand: a page that
    /// many commits have changed is copied once. The cache holds what a busy minute changes.
    private static let writerSQL = """
        PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4096; PRAGMA cache_size=-16384
        """

    /// Opens the database at `path`, making it if it is not there, and brings its schema up to date.
    /// Throws ``StoreError/newerDatabase`` for one that a newer FlowForge has written.
    public init(path: String, options: Options = Options()) throws {
        var configuration = Configuration()
        configuration.maximumReaderCount = options.readers
        configuration.busyMode = .timeout(options.busyTimeout)
        configuration.foreignKeysEnabled = true
        self.options = options
        watch = Mutex(WallClockWatch(wall: options.now(), steady: options.steady?() ?? 0))
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB sets `synchronous=NORMAL` on the writer when it switches to WAL, after its
            // `prepareDatabase` hooks have run; so FULL can only be set on the open pool.
            try pool.writeWithoutTransaction { try $0.execute(sql: Self.writerSQL) }
            let migrator = Schema.migrator
            if try pool.read(migrator.hasBeenSuperseded) { throw StoreError.newerDatabase }
            try migrator.migrate(pool)
            if let restoration = options.restoration {
                let now = options.now()
                try pool.write { try Session(db: $0, now: now, caches: caches).restorations.take(restoration) }
            }
        } catch {
            throw StoreError.mapping(error)
        }
    }

    /// Reads from one consistent snapshot, beside writers.
    public func read<T: Sendable>(_ body: @Sendable @escaping (Session) throws -> T) async throws -> T {
        let (now, step) = time()
        let scope = Scope.current
        // A transaction adopts it; if nobody else begins one, this does.
        if step != nil { enqueue(PendingWrite(run: { _ in }, finish: { _ in })) }
        do {
            if options.isInline { return try readInline(body, now: now, scope: scope) }
            return try await pool.read { [caches] db in
                try body(Session(db: db, now: now, scope: scope, caches: caches))
            }
        } catch {
            throw noted(error)
        }
    }

    func readInline<T>(_ body: (Session) throws -> T, now: Date, scope: Scope) throws -> T {
        try pool.read { db in
            try body(Session(db: db, now: now, scope: scope, caches: caches))
        }
    }

    /// Runs `body` in the next group and returns once its changes are durable. What `body` throws
    /// undoes its changes alone; a failed commit fails every operation of the group.
    public func write<T: Sendable>(_ body: @Sendable @escaping (Session) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let result = Mutex<T?>(nil)
            let pending = PendingWrite(
                scope: Scope.current,
                run: { session in
                    let value = try body(session)
                    result.withLock { $0 = value }
                },
                finish: { error in
                    if let error {
                        continuation.resume(throwing: self.noted(error))
                    } else if let value = result.withLock({ $0 }) {
                        continuation.resume(returning: value)
                    }
                })
            enqueue(pending)
        }
    }

    /// As the store's own error; damage is remembered.
    func noted(_ error: any Error) -> any Error {
        let error = StoreError.mapping(error)
        if case let error as StoreError = error, case .corrupt = error { damaged.withLock { $0 = $0 ?? error } }
        return error
    }

    /// Throws ``StoreError/corrupt(_:)`` once any operation has found the database damaged.
    func requireSound() throws {
        if let error = damaged.withLock({ $0 }) { throw error }
    }

    private func enqueue(_ pending: PendingWrite) {
        enum Next { case wait, drain, refuse(StoreError) }
        let next: Next = queue.withLock { queue in
            if queue.isClosed { return .refuse(.closed) }
            if queue.waiting.count >= options.largestQueue {
                queue.counts.refusals += 1
                return .refuse(.busy)
            }
            queue.waiting.append(pending)
            if queue.isDraining { return .wait }
            queue.isDraining = true
            return .drain
        }
        switch next {
        case .wait: break
        case .refuse(let error): pending.finish(error)
        case .drain where options.isInline: pool.unsafeReentrantWrite { db in drain(db) }
        case .drain: pool.asyncWriteWithoutTransaction { db in self.drain(db) }
        }
    }

    /// Runs on the writer's queue until nobody waits.
    private func drain(_ db: Database) {
        while true {
            let group = queue.withLock { queue in
                let group = Array(queue.waiting.prefix(options.largestGroup))
                queue.waiting.removeFirst(group.count)
                if group.isEmpty { queue.isDraining = false }
                return group
            }
            if group.isEmpty { return }
            commit(group, db)
        }
    }

    private func commit(_ group: [PendingWrite], _ db: Database) {
        var errors = [(any Error)?](repeating: nil, count: group.count)
        var (afterCommit, afterUndo): ([@Sendable () -> Void], [@Sendable () -> Void]) = ([], [])
        let (before, step) = time()
        // The whole group is of the new time, everything before it of the old.
        let now = step.map { before.addingTimeInterval($0.seconds) } ?? before
        do {
            try db.inTransaction(.immediate) {
                if let step { try Session(db: db, now: now, caches: caches).deadlines.follow(step) }
                for (index, pending) in group.enumerated() {
                    let session = Session(
                        db: db, now: now, scope: pending.scope, certificateCache: certificateCache,
                        caches: caches)
                    do {
                        try Self.inSavepoint(db) {
                            try options.fault?(.beforeBody)
                            try pending.run(session)
                        }
                        afterCommit += session.afterCommit
                        afterUndo += session.afterUndo
                    } catch {
                        for action in session.afterUndo { action() }
                        // A full disk or damage may have rolled back the whole transaction.
                        guard db.isInsideTransaction else { throw error }
                        errors[index] = error
                    }
                }
                try options.fault?(.beforeCommit)
                return .commit
            }
        } catch {
            queue.withLock { $0.counts.failures += group.count }
            for action in afterUndo { action() }
            for pending in group { pending.finish(error) }
            return
        }
        if let step {
            watch.withLock { $0.adopt(step) }
            options.clockStepped(step.seconds)
        }
        let failed = errors.count { $0 != nil }
        queue.withLock { queue in
            queue.counts.commits += 1
            queue.counts.operations += group.count - failed
            queue.counts.failures += failed
        }
        // The reply may be lost although the change is durable: callers must be able to repeat.
        var lost: (any Error)?
        do { try options.fault?(.afterCommit) } catch { lost = error }
        for action in afterCommit { action() }
        for (pending, error) in zip(group, errors) { pending.finish(error ?? lost) }
    }

    /// As GRDB's own, with statements that are prepared once.
    static func inSavepoint<T>(_ db: Database, _ body: () throws -> T) throws -> T {
        try db.cachedStatement(sql: "SAVEPOINT operation").execute()
        do {
            let value = try body()
            try db.cachedStatement(sql: "RELEASE operation").execute()
            return value
        } catch {
            if db.isInsideTransaction {
                try db.cachedStatement(sql: "ROLLBACK TO operation").execute()
                try db.cachedStatement(sql: "RELEASE operation").execute()
            }
            throw error
        }
    }

    /// The store's clock, which is every operation's.
    public func now() -> Date { time().now }

    /// The time, and the step of the wall clock that is still to be adopted.
    private func time() -> (now: Date, step: WallClockWatch.Step?) {
        let wall = options.now()
        guard let steady = options.steady?() else { return (wall, nil) }
        return watch.withLock { ($0.now(wall: wall, steady: steady), $0.step(wall: wall, steady: steady)) }
    }

    /// Writes that wait for the writer at the moment; those that it is busy with are not counted.
    public var waitingWrites: Int { queue.withLock { $0.waiting.count } }

    /// Lets the writes that wait finish, refuses new ones, and closes the files. Closing again does nothing.
    public func close() throws {
        let wasClosed = queue.withLock { queue in
            defer { queue.isClosed = true }
            return queue.isClosed
        }
        if wasClosed { return }
        do {
            // What is in the log goes into the database, so that a stopped one is one file.
            _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        } catch let error as DatabaseError where [.SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL].contains(error.resultCode) {
            // Another process reads, or the disk is full: the log stays beside it, complete.
        } catch {
            throw StoreError.mapping(error)
        }
        do { try pool.close() } catch { throw StoreError.mapping(error) }
    }

    public func writeCounts() -> WriteCounts {
        queue.withLock { queue in
            var counts = queue.counts
            counts.waiting = queue.waiting.count
            return counts
        }
    }

    /// The writer's `PRAGMA synchronous`; 2 is FULL.
    public func synchronousLevel() throws -> Int {
        try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? -1 }
    }
}
