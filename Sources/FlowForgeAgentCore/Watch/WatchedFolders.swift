import Dispatch
import Foundation
import Synchronization

/// The folders in which file triggers may look: what a control plane asks for is not looked at elsewhere,
/// however it writes it, and neither where links lead.
struct WatchedFolders: Sendable {
    /// Of one look, folders and files that match or not; the rest is not looked at.
    static let mostEntries = 1_000_000
    /// Of one pattern; the newest are kept.
    static let mostFiles = 100_000

    /// What relative patterns are relative to, and the first of the folders.
    let root: URL
    let others: [URL]
    var mostEntries = Self.mostEntries
    var mostFiles = Self.mostFiles

    struct Found: Sendable {
        var files: [SourceFiles.File] = []
        /// What the operator should know, in words that are the same at each look.
        var warnings: [String] = []
    }

    /// Why the pattern is not looked at; `nil` where it is.
    func refusal(of pattern: String) -> String? {
        let components = FileWalk.components(of: pattern, relativeTo: root)
        if pattern.split(separator: "/").contains("..") { return "it has '..'" }
        if pattern.utf8.contains(0) { return "it is no path" }
        let fixed = components.prefix { !FileWalk.isWild($0) }.dropLast(components.contains(where: FileWalk.isWild) ? 0 : 1)
        let folder = "/" + fixed.joined(separator: "/")
        // What is not there yet is judged by what is written; when it is there, by where it leads.
        let place = FileWalk.realPath(folder) ?? folder
        if FileWalk.isWithin(place, real) || (place == folder && FileWalk.isWithin(folder, written)) { return nil }
        return "it is outside of the folders that this agent lets triggers look at"
    }

    private var written: [String] {
        ([root] + others).map {
            "/" + FileWalk.components(of: $0.path(percentEncoded: false), relativeTo: root).joined(separator: "/")
        }
    }
    private var real: [String] { written.compactMap(FileWalk.realPath) }

    /// Beside the threads of Swift's tasks, as a network drive may take its time. Ends early when the task is
    /// cancelled.
    func look(for pattern: String) async -> Found {
        let stopped = Flag()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                DispatchQueue.global(qos: .utility).async {
                    continuation.resume(returning: look(for: pattern, isStopped: { stopped.isSet }))
                }
            }
        } onCancel: {
            stopped.set()
        }
    }

    private func look(for pattern: String, isStopped: @escaping @Sendable () -> Bool) -> Found {
        if let refusal = refusal(of: pattern) { return Found(warnings: ["not looked at: \(refusal)"]) }
        let bounds = FileWalk.Bounds(folders: real, mostEntries: mostEntries, isStopped: isStopped)
        var walk = FileWalk(pattern: pattern, relativeTo: root, within: bounds)
        // With bounds it passes over what fails.
        do { try walk.run() } catch { return Found(warnings: ["looking failed: \(error)"]) }
        if isStopped() { return Found() }
        var found = Found(files: Array(Set(walk.found)), warnings: walk.passedOver.map { "passed over: \($0)" })
        if walk.isCut { found.warnings.append("more than \(mostEntries) files and folders; the rest is not looked at") }
        if found.files.count > mostFiles {
            found.warnings.append("more than \(mostFiles) files match; the newest are looked at")
            found.files.sort { ($0.modifiedAt, $0.name) > ($1.modifiedAt, $1.name) }
            found.files.removeLast(found.files.count - mostFiles)
        }
        found.files.sort { $0.name < $1.name }
        return found
    }

    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }
}
