public import Foundation

/// One file of a bundle. Nothing but its path, its bytes and whether it may be executed counts.
public struct BundleFile: Hashable, Sendable {
    /// Relative to the bundle, with `/`; obeys ``BundlePath/fault(in:)``.
    public var path: String
    public var isExecutable: Bool
    public var contents: Data

    public init(path: String, isExecutable: Bool = false, contents: Data) {
        self.path = path
        self.isExecutable = isExecutable
        self.contents = contents
    }
}

/// The paths that files of a bundle may have: those which mean the same on every file system. So
/// ASCII only (macOS and Linux compose accents differently), nothing that a shell or Windows gives
/// another meaning, and short enough for a ustar header.
public enum BundlePath {
    /// What is wrong with `path`, to follow its name in a sentence; `nil` for a good one.
    public static func fault(in path: String) -> String? {
        if path.isEmpty { return "is empty" }
        if path.hasPrefix("/") { return "is absolute" }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        for part in parts {
            if part == ".." { return "leads out of the bundle with '..'" }
            if part.isEmpty || part == "." { return "has an empty or '.' part" }
            guard part.utf8.allSatisfy(isAllowed) else {
                return "has a character other than letters, digits and . _ - + = @ ,"
            }
            if part.hasSuffix(".") { return "has a part that ends in a dot" }
        }
        if TarHeader.split(path) == nil { return "is too long (each part at most 100 characters, the whole about 250)" }
        return nil
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "._-+=@,".utf8.contains(byte)
        }
    }

    /// Byte order, the order of files in the layer.
    public static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
