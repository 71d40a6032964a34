public import Foundation

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension BundleArchive {
    /// Verifies the files of the layers and makes `folder` out of what is in them: read-only, and all or nothing, even
    /// across a crash (the folder appears by one rename, after everything in it is on disk). A folder
    /// that is already there was made so and is left alone; what a crash leaves beside it is named
    /// `.<folder>.<random>.partial` and may be removed at any time.
    public static func unpack(_ layers: [(file: URL, descriptor: OCIDescriptor)], into folder: URL) throws(BundleRefusal) {
        if FileManager.default.fileExists(atPath: folder.path) { return }
        let layers = try layers.map { (file, descriptor) throws(BundleRefusal) in
            let layer = try reading(file)
            guard layer.count == descriptor.size, ContentDigest.of(layer) == descriptor.digest else {
                throw BundleRefusal(.digestMismatch, "the bundle's files are not those of digest \(descriptor.digest)")
            }
            return layer
        }
        try unpack(try files(in: layers), into: folder)
    }

    static func unpack(_ files: [BundleFile], into folder: URL) throws(BundleRefusal) {
        let parent = folder.deletingLastPathComponent()
        let partial = parent.appending(
            path: ".\(folder.lastPathComponent).\(UInt64.random(in: 0...UInt64.max)).partial", directoryHint: .isDirectory)
        do {
            try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
            do {
                for file in files { try write(file, below: partial) }
                try syncFolders(below: partial, of: files)
                if rename(partial.path, folder.path) != 0 {
                    // Another unpacking of the same bundle was faster; its folder is as good.
                    guard errno == EEXIST || errno == ENOTEMPTY else { throw DurableFile.failure("rename", folder) }
                    try FileManager.default.removeItem(at: partial)
                }
                try DurableFile.syncFolder(parent)
            } catch {
                try? FileManager.default.removeItem(at: partial)
                throw error
            }
        } catch {
            throw BundleRefusal(.storage, "cannot unpack the bundle into \(folder.path): \(error)")
        }
    }

    private static func reading(_ url: URL) throws(BundleRefusal) -> Data {
        do {
            return try Data(contentsOf: url, options: .mappedIfSafe)
        } catch {
            throw BundleRefusal(.missingBlob, "cannot read \(url.path): \(error.localizedDescription)")
        }
    }

    private static func write(_ file: BundleFile, below root: URL) throws {
        let target = root.appending(path: file.path, directoryHint: .notDirectory)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try DurableFile.create(target, contents: file.contents, mode: file.isExecutable ? 0o555 : 0o444)
    }

    private static func syncFolders(below root: URL, of files: [BundleFile]) throws {
        var folders: Set<String> = [""]
        for file in files {
            var parent = file.path[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                folders.insert(String(parent))
            }
        }
        for folder in folders { try DurableFile.syncFolder(folder.isEmpty ? root : root.appending(path: folder)) }
    }
}
