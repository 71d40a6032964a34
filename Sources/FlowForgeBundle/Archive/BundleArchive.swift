internal import Crypto
public import Foundation

/// The layers of a packed bundle: its files, sorted by path, in deterministic tars (``TarHeader``) of some MiB, so that the
/// next version sends again only those whose files changed.
public enum BundleArchive {
    /// In bytes of files: no layer but the last has less.
    static let leastInLayer = 1 << 20
    /// Of files that are this long every one may end a layer, of those half as long every second.
    private static let surelyEnds = 2 << 20
    /// A layer ends with the file that fills it up to this.
    private static let fullLayer = 8 << 20

    /// Equal files, in any order, make equal bytes. The files must have passed ``BundleFolder`` or
    /// ``files(in:)``.
    static func pack(_ files: [BundleFile]) throws(BundleRefusal) -> [Data] {
        try split(files.sorted { BundlePath.precedes($0.path, $1.path) }).map { run throws(BundleRefusal) in try archive(run) }
    }

    /// Where layers end depends on single files as far as it can: one that comes, goes or grows moves the ends near it, not
    /// all that follow, as counting alone would.
    private static func split(_ sorted: [BundleFile]) -> [ArraySlice<BundleFile>] {
        var layers: [ArraySlice<BundleFile>] = []
        var (start, bytes) = (0, 0)
        for (index, file) in sorted.enumerated() {
            bytes += file.contents.count
            guard bytes >= leastInLayer, bytes >= fullLayer || mayEnd(file) else { continue }
            layers.append(sorted[start...index])
            (start, bytes) = (index + 1, 0)
        }
        return start < sorted.count || layers.isEmpty ? layers + [sorted[start...]] : layers
    }

    /// By the path's digest, so that it is the same everywhere.
    private static func mayEnd(_ file: BundleFile) -> Bool {
        let number = SHA256.hash(data: Data(file.path.utf8)).prefix(4).reduce(0) { $0 << 8 | Int($1) }
        return number % surelyEnds < file.contents.count
    }

    private static func archive(_ files: ArraySlice<BundleFile>) throws(BundleRefusal) -> Data {
        var archive = Data()
        for file in files {
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

    /// The files of all layers, sorted by path. Their contents are slices of `layers`, not copies. Refuses
    /// everything but the canonical form: any other kind of entry, paths out of the bundle, duplicates,
    /// files where folders are needed, unsorted, truncated or trailing bytes, and too much of anything. Where a layer ends is
    /// not looked at.
    public static func files(in layers: [Data]) throws(BundleRefusal) -> [BundleFile] {
        guard layers.reduce(0, { $0 + $1.count }) <= BundleLimits.layerBytes else {
            throw BundleRefusal(.tooLarge, "the bundle's file layers are larger than 256 MiB")
        }
        var files: [BundleFile] = []
        var total = 0
        for layer in layers { try read(layer, into: &files, total: &total) }
        if let clash = clash(among: files.map(\.path)) { throw BundleRefusal(.malformed, clash) }
        return files
    }

    private static func read(_ layer: Data, into files: inout [BundleFile], total: inout Int) throws(BundleRefusal) {
        var offset = layer.startIndex
        func take(_ count: Int) throws(BundleRefusal) -> Data {
            guard layer.endIndex - offset >= count else {
                throw BundleRefusal(.malformed, "the bundle's file layer is cut off")
            }
            defer { offset += count }
            return layer[offset..<offset + count]
        }
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
