import FlowForgeStore
import Foundation
import Synchronization

/// A store in a folder of its own, removed with the last reference.
final class TemporaryStore: Sendable {
    let folder: URL
    let store: Store
    let commits: Counter

    var path: String { Self.path(in: folder) }

    static func path(in folder: URL) -> String { folder.appending(path: "flowforge.db").path }

    init(_ configure: (inout Store.Options) -> Void = { _ in }) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "ff-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let commits = Counter()
        self.commits = commits
        var options = Store.Options()
        configure(&options)
        let fault = options.fault
        options.fault = { point in
            if point == .beforeCommit { commits.add() }
            try fault?(point)
        }
        store = try Store(path: Self.path(in: folder), options: options)
    }

    /// The store closes itself when the last who uses it is done, which may be later.
    deinit { try? FileManager.default.removeItem(at: folder) }
}

final class Counter: Sendable {
    private let state = Mutex(0)
    var count: Int { state.withLock { $0 } }
    func add() { state.withLock { $0 += 1 } }
}

/// Holds whoever waits until it is opened; for blocking threads, not tasks.
final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    func pass() { semaphore.wait() }
    func open() { semaphore.signal() }
}

/// Gives other tasks their turn until `condition` holds; the test's time limit ends it.
func until(_ condition: () -> Bool) async throws {
    while !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
