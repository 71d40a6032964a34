public import Foundation

/// The layer of a packed bundle: its files in a deterministic tar (``TarHeader``), sorted by path.
public enum BundleArchive {
    /// Equal files, in any order, make equal bytes. The files must have passed ``BundleFolder`` or
    /// ``files(in:)``.
    static func pack(_ files: [BundleFile]) throws(BundleRefusal) -> Data {
        var archive = Data()
        for file in files.sorted(by: { BundlePath.precedes($0.path, $1.path) }) {
            let header = TarHeader(path: file.path, size: file.contents.count, isExecutable: file.isExecutable)
            guard let bytes = header.encoded() else {
                throw BundleRefusal(.malformed, "the path '\(file.path)' is too long for the bundle's file layer")
            }
            archive += bytes
            archive += file.contents
            archive += Data(count: padding(file.contents.count))
        }
        archive += Data(count: 2 * TarHeader.block)
        return archive
    }

    /// The files of a layer, sorted by path. Their contents are slices of `layer`, not copies. Refuses
    /// everything but the canonical form: any other kind of entry, paths out of the bundle, duplicates,
    /// files where folders are needed, unsorted, truncated or trailing bytes, and too much of anything.
    public static func files(in layer: Data) throws(BundleRefusal) -> [BundleFile] {
        guard layer.count <= BundleLimits.layerBytes else {
            throw BundleRefusal(.tooLarge, "the bundle's file layer is larger than 256 MiB")
        }
        var files: [BundleFile] = []
        var offset = layer.startIndex
        func take(_ count: Int) throws(BundleRefusal) -> Data {
            guard layer.endIndex - offset >= count else {
                throw BundleRefusal(.malformed, "the bundle's file layer is cut off")
            }
            defer { offset += count }
            return layer[offset..<offset + count]
        }
        var total = 0
        while true {
            let block = try take(TarHeader.block)
            if block.allSatisfy({ $0 == 0 }) { break }
            let header = try TarHeader(decoding: block)
            guard files.last.map({ BundlePath.precedes($0.path, header.path) }) ?? true else {
                throw BundleRefusal(.malformed, "the bundle's file layer has '\(header.path)' twice or out of order")
            }
            total += header.size
            guard files.count < BundleLimits.files, total <= BundleLimits.totalBytes else {
                throw BundleRefusal(.tooLarge, "the bundle holds more than 10,000 files or 256 MiB")
            }
            let contents = try take(header.size)
            guard try take(padding(header.size)).allSatisfy({ $0 == 0 }) else {
                throw BundleRefusal(.malformed, "the bundle's file layer has bytes between its files")
            }
            files.append(BundleFile(path: header.path, isExecutable: header.isExecutable, contents: contents))
        }
        guard try take(TarHeader.block).allSatisfy({ $0 == 0 }), offset == layer.endIndex else {
            throw BundleRefusal(.malformed, "the bundle's file layer does not end where it should")
        }
        if let clash = clash(among: files.map(\.path)) { throw BundleRefusal(.malformed, clash) }
        return files
    }

    /// Two paths that cannot both exist on every file system, in a sentence.
    static func clash(among paths: [String]) -> String? {
        var seen: [String: String] = [:]
        for path in paths {
            if let other = seen.updateValue(path, forKey: path.lowercased()) {
                return "the paths '\(other)' and '\(path)' differ only in upper and lower case"
            }
        }
        for path in paths {
            var parent = path[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                if let file = seen[parent.lowercased()] { return "'\(file)' is both a file and a folder (of '\(path)')" }
            }
        }
        return nil
    }

    private static func padding(_ size: Int) -> Int { (TarHeader.block - size % TarHeader.block) % TarHeader.block }
}
