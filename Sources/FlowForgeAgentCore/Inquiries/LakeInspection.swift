import FlowForgeProtocol
import Foundation

/// Looks whether tables are as they were published, without reading a byte of their files.
struct LakeInspection: Sendable {
    let lake: LakeFolder
    let environment: String
    private static let mostNames = 20

    /// Ends early, with `CancellationError`, when the calling Swift task is cancelled.
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
        guard Self.isFolder(asset) else {
            result.state = .missingAsset
            return result
        }
        result.found = pointer(in: asset, unless: expected)
        let folder = try lake.snapshot(expected.snapshot, of: expected.asset, environment: environment)
        guard Self.isFolder(folder) else {
            result.state = .missingSnapshot
            return result
        }
        guard let sealed = try? SnapshotFolder.open(folder, of: expected.asset), sealed.record.snapshot == expected.snapshot.id,
            sealed.record.asset == expected.asset
        else {
            result.state = .unreadableSnapshot
            return result
        }
        let changed = changes(of: sealed)
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
    private func pointer(in asset: URL, unless expected: InspectQuestion.Expected) -> InspectResult.Found? {
        let path = asset.path(percentEncoded: false)
        let file = FileManager.default.contents(atPath: "\(path)/current.json")
        let pointer = file.flatMap { try? WireCoding.decode(LakePublisher.Pointer.self, from: $0) }
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/current")
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
    private func changes(of folder: SnapshotFolder) -> [String] {
        var found: [String: DiskFile] = [:]
        let root = folder.url.path(percentEncoded: false)
        for name in (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? [] {
            found[name] = DiskFile("\(root)/\(name)")
        }
        // It is written last.
        let sealed = found.removeValue(forKey: SnapshotRecord.fileName)?.modified ?? .distantPast
        var changed: [String] = []
        for file in folder.record.files {
            let now = found.removeValue(forKey: file.path)
            if now?.bytes != file.bytes || now.map({ $0.modified > sealed }) != false { changed.append(file.path) }
        }
        return (changed + found.keys).sorted()
    }

    private struct DiskFile {
        /// `nil` of what is no file of ours, such as a link, whatever it leads to.
        var bytes: Int64?
        var modified: Date

        /// `nil` of a folder.
        init?(_ path: String) {
            let attributes = (try? FileManager.default.attributesOfItem(atPath: path)) ?? [:]
            let type = attributes[.type] as? FileAttributeType
            if type == .typeDirectory { return nil }
            bytes = type == .typeRegular ? (attributes[.size] as? NSNumber)?.int64Value : nil
            modified = attributes[.modificationDate] as? Date ?? .distantFuture
        }
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path(percentEncoded: false), isDirectory: &isFolder)
            && isFolder.boolValue
    }
}
