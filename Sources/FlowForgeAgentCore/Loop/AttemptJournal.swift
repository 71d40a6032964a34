import FlowForgeProtocol
import Foundation
import Synchronization

/// `attempts.json`: the attempts under way, so that an agent that starts after a crash can say that
/// they died with it. After a crash of the machine it may be of an earlier moment, or unreadable:
/// attempts that it does not name end when their leases lapse.
final class AttemptJournal: Sendable {
    private let file: URL
    private let entries: Mutex<[ID<Attempt>: AgentAPI.HeldLease]>
    /// What was under way when the agent last ran.
    let leftovers: [AgentAPI.HeldLease]
    /// Set when the file could not be read; it is kept beside.
    let finding: String?

    init(file: URL) throws {
        self.file = file
        var found: [AgentAPI.HeldLease] = []
        var finding: String?
        if FileManager.default.fileExists(atPath: file.path) {
            do {
                found = try WireCoding.decode([AgentAPI.HeldLease].self, from: Data(contentsOf: file))
            } catch {
                let place = file.path + ".corrupt"
                try DiskFile.move(file, to: URL(filePath: place))
                finding =
                    "\(file.path) cannot be read; kept as \(place). Attempts under way when the agent stopped end when their leases lapse."
            }
        }
        leftovers = found
        self.finding = finding
        entries = Mutex(Dictionary(found.map { ($0.attempt, $0) }) { $1 })
    }

    func add(_ held: AgentAPI.HeldLease) throws {
        try entries.withLock { entries in
            entries[held.attempt] = held
            try save(entries)
        }
    }

    func remove(_ attempt: ID<Attempt>) throws {
        try entries.withLock { entries in
            guard entries.removeValue(forKey: attempt) != nil else { return }
            try save(entries)
        }
    }

    private func save(_ entries: [ID<Attempt>: AgentAPI.HeldLease]) throws {
        let list = entries.values.sorted { $0.attempt < $1.attempt }
        try DiskFile.write(WireCoding.encode(list), to: file, mode: 0o600, durable: false)
    }
}
