internal import FlowForgeProtocol
public import Foundation

/// What a backup of a control plane says about itself, in its `manifest.json`.
public struct BackupManifest: Codable, Sendable, Hashable {
    public static let fileName = "manifest.json"
    public static let newestFormat = 1

    public struct File: Codable, Sendable, Hashable {
        /// Relative to the backup's folder.
        public var path: String
        public var bytes: Int64
        /// `sha256:…`
        public var digest: String
        public init(path: String, bytes: Int64, digest: String) {
            self.path = path
            self.bytes = bytes
            self.digest = digest
        }
    }

    public var format: Int
    /// The name of the backup's folder.
    public var name: String
    public var madeAt: Date
    /// The version of the control plane that made it.
    public var madeBy: String
    /// The number of the last entry of the audit trail that is in it.
    public var lastAuditEntry: Int64
    /// By path.
    public var files: [File]
    /// Of the CA's private key, whether it is in the backup (sealed) or kept elsewhere.
    public var caKeyDigest: String
    /// What is not in the backup although it should be, one line each.
    public var warnings: [String]

    public init(
        name: String, madeAt: Date, madeBy: String, lastAuditEntry: Int64, files: [File], caKeyDigest: String,
        warnings: [String]
    ) {
        format = Self.newestFormat
        self.name = name
        self.madeAt = madeAt
        self.madeBy = madeBy
        self.lastAuditEntry = lastAuditEntry
        self.files = files.sorted { $0.path < $1.path }
        self.caKeyDigest = caKeyDigest
        self.warnings = warnings
    }

    /// Of all files together, without the manifest itself.
    public var bytes: Int64 { files.reduce(0) { $0 + $1.bytes } }
    public var hasSealedKey: Bool { files.contains { $0.path == BackupLayout.sealedKey } }
}

/// The names in a backup, and in a data folder where they are the same.
public enum BackupLayout {
    public static let database = "flowforge.db"
    public static let bundles = "bundles"
    public static let caCertificate = "ca.pem"
    public static let caKey = "ca.key"
    public static let sealedKey = "ca.key.sealed"
    /// With which the control plane signs evidence.
    public static let evidenceKey = "evidence.key"
    public static let sealedEvidenceKey = "evidence.key.sealed"
    public static let serverCertificate = "server.pem"
    public static let serverKey = "server.key"
    public static let configuration = "flowforged.yaml"
    /// In a data folder: a restore that is under way, or was interrupted.
    public static let restoring = "restoring"
    /// In a data folder: what the control plane has to take note of at its next start.
    public static let restored = "restored.json"
    public static let lock = "lock"
    /// In a data folder: where backups are made unless said otherwise.
    public static let backups = "backups"
    /// In a data folder, with a time behind it: what a restore has replaced.
    public static let replacedPrefix = "replaced-"

    /// Whether a name in a data folder is of the state that a restore replaces, in a backup or not: a log of another
    /// database must not stay beside the restored one, nor a key beside a certificate that is not its own.
    static func isControlPlanes(_ name: String) -> Bool {
        let whole = [
            bundles, caCertificate, caKey, sealedKey, evidenceKey, sealedEvidenceKey, serverCertificate, serverKey, configuration,
            restored,
        ]
        return whole.contains(name) || name == database || name.hasPrefix(database + "-")
    }

    /// Whether a path from a manifest stays in the folder and is one that a backup has.
    static func allows(_ path: String) -> Bool {
        let plain = [database, caCertificate, sealedKey, sealedEvidenceKey, serverCertificate, configuration]
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return plain.contains(path) }
        return parts[0] == bundles && parts.count <= 4
            && parts.dropFirst().allSatisfy { part in
                part.utf8.count <= 200 && part.first != "." && !part.isEmpty
                    && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
            }
    }
}

/// What a restore leaves in the data folder for the control plane's next start.
public struct RestoredMark: Codable, Sendable, Hashable {
    public var backup: String
    public var madeAt: Date
    public var restoredAt: Date
    public init(backup: String, madeAt: Date, restoredAt: Date) {
        self.backup = backup
        self.madeAt = madeAt
        self.restoredAt = restoredAt
    }
}
