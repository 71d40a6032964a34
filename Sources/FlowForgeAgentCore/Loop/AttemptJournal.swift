import FlowForgeProtocol
import Foundation

/// `attempts/`: a file for each attempt under way, so that an agent that starts after a crash can say
/// that they died with it. Written before the attempt begins, and not synced: after a crash of the
/// machine a file may be missing or unreadable, and that attempt ends when its lease lapses.
final class AttemptJournal: Sendable {
    private let folder: URL
    /// What was under way when the agent last ran.
    let leftovers: [AgentAPI.HeldLease]
    /// Set when files could not be read; they are kept.
    let finding: String?

    init(folder: URL) throws {
        self.folder = folder
        var found: [AgentAPI.HeldLease] = []
        var unreadable: [String] = []
        let names =
            FileManager.default.fileExists(atPath: folder.path)
            ? try FileManager.default.contentsOfDirectory(atPath: folder.path) : []
        for name in names.sorted() {
            let file = folder.appending(path: name)
            switch file.pathExtension {
            case "json":
                do { found.append(try WireCoding.decode(AgentAPI.HeldLease.self, from: Data(contentsOf: file))) } catch {
                    try DiskFile.move(file, to: URL(filePath: file.path + ".corrupt"))
                    unreadable.append(name)
                }
            // The agent died while it wrote it, so before the attempt began.
            case "new": try DiskFile.remove(file)
            default: break
            }
        }
        leftovers = found
        finding =
            unreadable.isEmpty
            ? nil
            : "\(unreadable.joined(separator: ", ")) in \(folder.path) cannot be read; kept as .corrupt. These attempts end when their leases lapse."
    }

    func add(_ held: AgentAPI.HeldLease) throws {
        try DiskFile.makeFolder(folder, mode: 0o700)
        // A new name each time: to replace a file by renaming makes some file systems write it out at once.
        try DiskFile.write(WireCoding.encode(held), to: file(held.attempt), mode: 0o600, durable: false)
    }

    /// An attempt that is not there is removed already.
    func remove(_ attempt: ID<Attempt>) throws { try DiskFile.remove(file(attempt)) }

    private func file(_ attempt: ID<Attempt>) -> URL { folder.appending(path: "\(attempt).json") }
}
