import FlowForgeProtocol
import Foundation
import Synchronization

/// Keeps those who rely on blobs and garbage collection out of each other's way.
///
/// A push stores blobs first and records what refers to them later. So a blob that nothing refers to is garbage only when
/// it is a day old (``grace``), and whoever is about to refer to one that is there makes it young: `renew` and `remove`
/// look at a file's age and act on it in one step, of which there is one at a time.
final class BlobCollection: Sendable {
    /// How long a push may take from its first blob to its record.
    static let grace: TimeInterval = 86_400

    private struct State {
        var holders = 0
        var isCollecting = false
    }
    private let state = Mutex(State())
    private let files = Mutex(())

    /// Makes the file young; `false` where there is none.
    func renew(_ file: URL) -> Bool { files.withLock { _ in utimes(file.path, nil) == 0 } }

    /// Removes the file if it is older than `cutoff` (nothing is removed of a dry run). Returns its size, or `nil` if it
    /// stays.
    func remove(_ file: URL, before cutoff: Date, dryRun: Bool) throws -> Int64? {
        try files.withLock { _ in
            var status = stat()
            guard stat(file.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                Date(timeIntervalSince1970: Double(status.st_mtim.tv_sec)) < cutoff
            else { return nil }
            if !dryRun, unlink(file.path) != 0 { throw FileFault.current("remove", file) }
            return Int64(status.st_size)
        }
    }

    /// Throws ``APIError`` `busy` while blobs are being collected. Balanced by ``release()``.
    func hold() throws(APIError) {
        let held = state.withLock { state in
            if state.isCollecting { return false }
            state.holders += 1
            return true
        }
        guard held else { throw Self.busy("garbage is being collected") }
    }

    func release() { state.withLock { $0.holders -= 1 } }

    /// Throws ``APIError`` `busy` while a backup is made or another collection goes on. Balanced by ``end()``.
    func begin() throws(APIError) {
        let begun = state.withLock { state in
            if state.isCollecting || state.holders > 0 { return false }
            state.isCollecting = true
            return true
        }
        guard begun else { throw Self.busy("a backup is being made, or garbage is being collected already") }
    }

    func end() { state.withLock { $0.isCollecting = false } }

    private static func busy(_ what: String) -> APIError { APIError(.busy, what, hint: "try again when it is done") }
}

extension BundleRegistry {
    /// Tells garbage collection that these blobs are about to be referred to. Returns whether all of them are there.
    @discardableResult
    public func renew(_ digests: [String]) -> Bool {
        digests.map { digest in
            guard let file = try? folder.place(of: digest) else { return false }
            return collection.renew(file)
        }.allSatisfy { $0 }
    }

    /// Runs `body` while no blob is removed. Throws ``APIError`` `busy` while garbage is collected.
    public func holdingBlobs<Value>(_ body: () async throws -> Value) async throws -> Value {
        try collection.hold()
        defer { collection.release() }
        return try await body()
    }
}
