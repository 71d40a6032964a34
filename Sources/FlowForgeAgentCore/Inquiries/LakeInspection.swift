import FlowForgeProtocol
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Looks whether tables are as they were published, without reading a byte of their files.
struct LakeInspection: Sendable {
    let lake: LakeFolder
    let environment: String
    private static let mostNames = 20

    /// Ends early, with `CancellationError`, when the calling Swift task is cancelled. Throws `TaskError`
    /// `agent_storage` for what is there and cannot be read: that is no finding about the lake.
    func answer(_ question: InspectQuestion) async throws -> InspectAnswer {
        var results: [InspectResult] = []
        for expected in question.assets {
            try Task.checkCancellation()
            results.append(try inspect(expected))
            await Task.yield()
        }
        return InspectAnswer(results: results)
    }

    private func inspect(_ expected: InspectQuestion.Expected) throws -> InspectResult {
        var result = InspectResult(asset: expected.asset, state: .ok)
        let asset = lake.asset(expected.asset, environment: environment)
        guard try Self.isFolder(asset, of: expected.asset) else {
            result.state = .missingAsset
            return result
        }
        result.found = try pointer(in: asset, unless: expected)
        let folder = try lake.snapshot(expected.snapshot, of: expected.asset, environment: environment)
        guard try Self.isFolder(folder, of: expected.asset) else {
            result.state = .missingSnapshot
            return result
        }
        guard let sealed = try? SnapshotFolder.open(folder, of: expected.asset), sealed.record.snapshot == expected.snapshot.id,
            sealed.record.asset == expected.asset
        else {
            result.state = .unreadableSnapshot
            return result
        }
        let changed = try changes(of: sealed)
        result.changedFiles = changed.count
        if !changed.isEmpty {
            // The folders of a partition are values of the data.
            result.files = changed.prefix(Self.mostNames).map {
                String($0.split(separator: "/").last ?? "").prefix(255).description
            }
        }
        result.state = !changed.isEmpty ? .filesChanged : result.found != nil ? .pointerMoved : .ok
        return result
    }

    /// Where `current.json` and `current` lead; `nil` where that is the expected snapshot.
    private func pointer(in asset: URL, unless expected: InspectQuestion.Expected) throws -> InspectResult.Found? {
        let path = asset.path(percentEncoded: false)
        var pointer: LakePublisher.Pointer?
        if try Self.look(at: "\(path)/current.json", of: expected.asset) != nil {
            guard let file = FileManager.default.contents(atPath: "\(path)/current.json") else {
                throw Self.unreadable(expected.asset, "current.json cannot be read")
            }
            pointer = try? WireCoding.decode(LakePublisher.Pointer.self, from: file)
        }
        var link: String?
        if try Self.look(at: "\(path)/current", of: expected.asset) != nil {
            // What is no link leads nowhere.
            link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/current")
        }
        let location = lake.relativeLocation(of: expected.snapshot, of: expected.asset, environment: environment)
        if let pointer, pointer.snapshot == expected.snapshot.id, pointer.version == expected.snapshot.version,
            pointer.location == location, link == location
        {
            return nil
        }
        // Readers follow the link.
        let leads = link.flatMap { $0.split(separator: "/").last }.flatMap { ID<Snapshot>(String($0)) }
        return InspectResult.Found(snapshot: link == pointer?.location ? pointer?.snapshot : leads, version: pointer?.version)
    }

    /// Paths of files that are gone, have another size, were not sealed with the snapshot or were written after
    /// it was; sorted.
    private func changes(of folder: SnapshotFolder) throws -> [String] {
        var found = try Self.files(below: folder.url.path(percentEncoded: false), of: folder.record.asset)
        // It is written last.
        let sealed = found.removeValue(forKey: SnapshotRecord.fileName)?.modified ?? .distantPast
        var changed: [String] = []
        for file in folder.record.files {
            let now = found.removeValue(forKey: file.path)
            if now?.bytes != file.bytes || now.map({ $0.modified > sealed }) != false { changed.append(file.path) }
        }
        return (changed + found.keys).sorted()
    }

    private struct FoundFile {
        /// `nil` of what is no file of ours, such as a link, whatever it leads to.
        var bytes: Int64?
        var modified: Date
    }

    /// By their paths below the folder. What vanishes meanwhile is gone.
    private static func files(below root: String, of asset: AssetName) throws -> [String: FoundFile] {
        var found: [String: FoundFile] = [:]
        var folders = [""]
        while let folder = folders.popLast() {
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)") } catch {
                if try look(at: "\(root)/\(folder)", of: asset) == nil { continue }
                throw unreadable(asset, "a folder of the snapshot cannot be listed")
            }
            for name in names {
                let path = folder.isEmpty ? name : "\(folder)/\(name)"
                guard let status = try look(at: "\(root)/\(path)", of: asset) else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: folders.append(path)
                case S_IFREG: found[path] = FoundFile(bytes: Int64(status.st_size), modified: status.modified)
                default: found[path] = FoundFile(modified: status.modified)
                }
            }
        }
        return found
    }

    private static func isFolder(_ url: URL, of asset: AssetName) throws -> Bool {
        guard let status = try look(at: url.path(percentEncoded: false), of: asset, following: true) else { return false }
        return status.st_mode & S_IFMT == S_IFDIR
    }

    /// `nil` where there is nothing.
    private static func look(at path: String, of asset: AssetName, following: Bool = false) throws -> stat? {
        var status = stat()
        if (following ? stat(path, &status) : lstat(path, &status)) == 0 { return status }
        let number = errno
        if number == ENOENT || number == ENOTDIR { return nil }
        throw unreadable(asset, String(cString: strerror(number)))
    }

    /// Without a path: the folders of a partition are values of the data.
    private static func unreadable(_ asset: AssetName, _ reason: String) -> TaskError {
        TaskError(
            code: "agent_storage", message: "the files of \(asset) cannot be looked at: \(reason)",
            hint: "check that the lake of the pool is mounted on this agent, and that its account may read it", retryable: true)
    }
}

extension stat {
    fileprivate var modified: Date {
        Date(timeIntervalSince1970: Double(st_mtim.tv_sec) + Double(st_mtim.tv_nsec) / 1e9)
    }
}
