import Crypto
import FlowForgeProtocol
import Foundation
import Logging
import ServiceLifecycle
import Synchronization

/// Looks for files that triggers wait for, as the control plane tells it to, and reports those that have
/// arrived: names, sizes and digests, never what is in them.
///
/// A file has arrived when two looks find it with the same size and time of change. What was reported is
/// kept in memory only; after a restart everything is reported again, and the control plane, which keeps
/// what it has heard of, takes what is new.
struct FileWatcher: Service {
    /// What is told at once; more files are several reports.
    static let batch = 100

    let spool: EventSpool
    let folders: WatchedFolders
    let logger: Logger
    private let told = Told()

    private final class Told: Sendable { let watches = Mutex<[AgentAPI.Watch]>([]) }

    init(spool: EventSpool, folders: WatchedFolders, logger: Logger) {
        self.spool = spool
        self.folders = folders
        self.logger = logger
    }

    /// The whole list, as the last poll's answer had it.
    func heard(_ watches: [AgentAPI.Watch]) { told.watches.withLock { $0 = watches } }

    func run() async throws {
        try? await cancelWhenGracefulShutdown { try await lookUntilCancelled() }
    }

    private func lookUntilCancelled() async throws {
        var looks: [ID<Trigger>: (look: FileLook, next: ContinuousClock.Instant)] = [:]
        while true {
            let watches = told.watches.withLock { $0 }
            looks = looks.filter { id, held in watches.contains { $0.trigger == id && $0 == held.look.watch } }
            for watch in watches {
                var held = looks[watch.trigger] ?? (FileLook(watch: watch), .now)
                if held.next <= .now {
                    await look(&held.look)
                    held.next = .now + .seconds(max(1, watch.everySeconds))
                }
                looks[watch.trigger] = held
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func look(_ look: inout FileLook) async {
        do {
            let found = await folders.look(for: look.watch.pattern)
            for warning in look.new(found.warnings) {
                logger.warning(
                    "a file trigger's files: \(warning)",
                    metadata: ["trigger": "\(look.watch.trigger)", "pattern": "\(look.watch.pattern)"])
            }
            try Task.checkCancellation()
            var arrived = look.looked(found.files)[...]
            while !arrived.isEmpty {
                let batch = Array(arrived.prefix(Self.batch))
                arrived = arrived.dropFirst(Self.batch)
                let arrival = AgentAPI.Arrival(trigger: look.watch.trigger, fencing: look.watch.fencing, files: batch)
                try await spool.append(EventDraft(at: Date(), body: .arrived(arrival)))
                look.told(batch)
            }
        } catch {
            // What was not told is looked at again.
            logger.warning("looking for files failed", metadata: ["pattern": "\(look.watch.pattern)", "reason": "\(error)"])
        }
    }
}

/// What one watch has seen and told.
struct FileLook: Sendable {
    let watch: AgentAPI.Watch
    private var last: [String: String] = [:]
    private var toldDigests: Set<String> = []
    private var warnings: Set<String> = []

    init(watch: AgentAPI.Watch) { self.watch = watch }

    /// Those that were not said before, of this watch.
    mutating func new(_ warnings: [String]) -> [String] {
        // Names of folders could be without end.
        if self.warnings.count > 100 { return [] }
        return warnings.filter { self.warnings.insert($0).inserted }
    }

    /// Returns those that were the same at the look before and have not been told of.
    mutating func looked(_ files: [SourceFiles.File]) -> [AgentAPI.ArrivedFile] {
        var seen: [String: String] = [:]
        var arrived: [AgentAPI.ArrivedFile] = []
        for file in files {
            let digest = Self.digest(file)
            seen[file.name] = digest
            guard last[file.name] == digest, !toldDigests.contains(digest) else { continue }
            arrived.append(AgentAPI.ArrivedFile(name: file.name, size: file.size, digest: digest))
        }
        // A file that is gone may come back.
        toldDigests.formIntersection(seen.values)
        last = seen
        return arrived
    }

    mutating func told(_ files: [AgentAPI.ArrivedFile]) { toldDigests.formUnion(files.map(\.digest)) }

    private static func digest(_ file: SourceFiles.File) -> String {
        let changed = Int64((file.modifiedAt.timeIntervalSince1970 * 1000).rounded())
        return SHA256.hash(data: Data("\(file.name)\0\(file.size)\0\(changed)".utf8)).hex
    }
}

/// A control plane whose answers to polls tell the watcher what to look for.
struct WatchedControlPlane: ControlPlane {
    let inner: any ControlPlane
    let watcher: FileWatcher

    func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse {
        let response = try await inner.poll(request)
        watcher.heard(response.watches ?? [])
        return response
    }

    func report(_ body: Data) async throws -> AgentAPI.ReportResponse { try await inner.report(body) }

    func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant { try await inner.renew(request) }

    func blob(
        _ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void
    ) async throws -> Int64 {
        try await inner.blob(digest, from: offset, write: write)
    }

    func referrers(of digest: String) async throws -> ReferrerIndex { try await inner.referrers(of: digest) }
}
