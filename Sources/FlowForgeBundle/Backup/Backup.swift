internal import FlowForgeProtocol
public import Foundation

/// A backup of a control plane in a folder, readable without one.
public struct Backup: Sendable {
    public let folder: URL
    public let manifest: BackupManifest
    /// Of the manifest's bytes: what the audit trail of the control plane recorded when it was made.
    public let manifestDigest: String
    private static let largestManifest = 256 << 20

    /// Throws ``BackupFault`` for what is no backup, or one that this version does not understand.
    public init(_ folder: URL) throws {
        self.folder = folder
        let file = folder.appending(path: BackupManifest.fileName)
        let size = (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? NSNumber)?.intValue
        guard let size, size <= Self.largestManifest, let bytes = try? Data(contentsOf: file) else {
            throw BackupFault(
                "\(folder.path) is no backup: it has no readable \(BackupManifest.fileName)",
                hint: "give the folder that `flowforge admin backup` made; one that ends in .partial was never finished")
        }
        struct Format: Decodable { var format: Int }
        guard let format = try? WireCoding.decode(Format.self, from: bytes).format else {
            throw BackupFault("\(file.path) is damaged: it is not JSON of a backup", hint: "use another backup")
        }
        guard format <= BackupManifest.newestFormat else {
            throw BackupFault("the backup has format \(format), which is newer than this program", hint: "use a newer flowforge")
        }
        do {
            manifest = try WireCoding.decode(BackupManifest.self, from: bytes)
        } catch {
            throw BackupFault("\(file.path) is damaged: \(error)", hint: "use another backup")
        }
        manifestDigest = ContentDigest.of(bytes)
        let paths = manifest.files.map(\.path)
        if let path = paths.first(where: { !BackupLayout.allows($0) }) {
            throw BackupFault("the manifest names '\(path.prefix(200))', which no backup has", hint: "use another backup")
        }
        let needed = [BackupLayout.database, BackupLayout.caCertificate]
        guard Set(paths).count == paths.count, needed.allSatisfy(paths.contains) else {
            throw BackupFault("the manifest lacks a file, or names one twice", hint: "use another backup")
        }
    }

    /// Reads every file and compares it with the manifest. What is wrong, one line each; empty for a
    /// sound backup. That the database in it is sound was seen when the backup was made.
    public func check() throws -> [String] {
        try manifest.files.compactMap { try problem(with: $0, at: folder.appending(path: $0.path)) }
    }

    func problem(with file: BackupManifest.File, at url: URL) throws -> String? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: url.path)
        guard let attributes else { return "\(file.path) is missing" }
        guard attributes[.type] as? FileAttributeType == .typeRegular else { return "\(file.path) is no plain file" }
        do {
            let (digest, bytes) = try ContentDigest.ofFile(at: url)
            if bytes != file.bytes { return "\(file.path) has \(bytes) bytes instead of \(file.bytes)" }
            return digest == file.digest ? nil : "\(file.path) is damaged: its digest differs"
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return "\(file.path) cannot be read: \(error)"
        }
    }
}

/// Why a backup cannot be used, or a restore not be made, and what to do.
public struct BackupFault: Error, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String
    public init(_ message: String, hint: String) {
        self.message = message
        self.hint = hint
    }
    public var description: String { "\(message); \(hint)" }
}
