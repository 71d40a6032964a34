import Crypto
import FlowForgeProtocol
import Foundation

/// Looks whether tables are as they were published, without reading a row of them.
struct LakeInspection: Sendable {
    let lake: LakeFolder
    let environment: String
    private static let mostNames = 20

    /// Ends early, with `CancellationError`, when the calling Swift task is cancelled.
    func answer(_ question: InspectQuestion) async throws -> InspectAnswer {
        var results: [InspectResult] = []
        for expected in question.assets {
            try Task.checkCancellation()
            results.append(try await inspect(expected, digests: question.digests))
            await Task.yield()
        }
        return InspectAnswer(results: results)
    }

    private func inspect(_ expected: InspectQuestion.Expected, digests: Bool) async throws -> InspectResult {
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
        if digests { result.digest = try await digest(of: sealed) }
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

    /// Paths of files that are gone, have another size or were not sealed with the snapshot; sorted.
    private func changes(of folder: SnapshotFolder) -> [String] {
        var sizes: [String: Int64] = [:]
        let root = folder.url.path(percentEncoded: false)
        for name in (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? [] {
            let attributes = try? FileManager.default.attributesOfItem(atPath: "\(root)/\(name)")
            if attributes?[.type] as? FileAttributeType == .typeDirectory { continue }
            // A link has a size of its own, which is not that of a file of ours.
            let isFile = attributes?[.type] as? FileAttributeType == .typeRegular
            sizes[name] = isFile ? (attributes?[.size] as? NSNumber)?.int64Value ?? -1 : -1
        }
        sizes[SnapshotRecord.fileName] = nil
        var changed: [String] = []
        for file in folder.record.files where sizes.removeValue(forKey: file.path) != file.bytes { changed.append(file.path) }
        return (changed + sizes.keys).sorted()
    }

    /// Over `<path> NUL <SHA-256> newline` of each file, by path.
    private func digest(of folder: SnapshotFolder) async throws -> String? {
        var all = SHA256()
        for file in folder.record.files.sorted(by: { $0.path < $1.path }) {
            guard let handle = FileHandle(forReadingAtPath: folder.path(of: file)) else { return nil }
            defer { try? handle.close() }
            var one = SHA256()
            while let bytes = try handle.read(upToCount: 1 << 20), !bytes.isEmpty {
                one.update(data: bytes)
                try Task.checkCancellation()
                await Task.yield()
            }
            all.update(data: Data("\(file.path)\u{0}\(Self.hex(one.finalize()))\n".utf8))
        }
        return "sha256:\(Self.hex(all.finalize()))"
    }

    private static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path(percentEncoded: false), isDirectory: &isFolder)
            && isFolder.boolValue
    }
}
