public import Foundation

/// The keys that somebody trusts, each with the name by which people know it (its file's).
public struct KeyRing: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public var name: String
        public var key: VerifyingKey
        public init(name: String, key: VerifyingKey) {
            self.name = name
            self.key = key
        }
    }

    /// By name; no key twice.
    public let entries: [Entry]
    public static let mostKeys = 100

    public init(_ entries: [Entry] = []) {
        var seen: Set<String> = []
        self.entries = entries.sorted { ($0.name, $0.key.id) < ($1.name, $1.key.id) }.filter { seen.insert($0.key.id).inserted }
    }

    /// Reads PEM files of public keys; of a folder every file that ends in `.pub` or `.pem`. A key is named for its
    /// file, without the ending.
    public init(files: [URL]) throws(SigningFault) {
        var entries: [Entry] = []
        for file in try Self.listed(files) {
            guard let text = try? String(contentsOf: file, encoding: .utf8) else {
                throw SigningFault("the key \(file.path) cannot be read", hint: "check its path, owner and mode")
            }
            for key in try VerifyingKey.all(pem: text, from: file.path) {
                entries.append(Entry(name: file.deletingPathExtension().lastPathComponent, key: key))
            }
        }
        guard entries.count <= Self.mostKeys else {
            throw SigningFault("\(entries.count) keys are trusted", hint: "trust \(Self.mostKeys) at most")
        }
        self.init(entries)
    }

    private static func listed(_ files: [URL]) throws(SigningFault) -> [URL] {
        var found: [URL] = []
        for file in files {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), isFolder.boolValue else {
                found.append(file)
                continue
            }
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: file.path)) ?? []).sorted()
                .filter { !$0.hasPrefix(".") && ($0.hasSuffix(".pub") || $0.hasSuffix(".pem")) }
            guard !names.isEmpty else {
                throw SigningFault("\(file.path) holds no key", hint: "put PEM files there that end in .pub or .pem")
            }
            found += names.map { file.appending(path: $0) }
        }
        return found
    }

    public var isEmpty: Bool { entries.isEmpty }

    public func entry(id: String) -> Entry? { entries.first { $0.key.id == id } }
}
