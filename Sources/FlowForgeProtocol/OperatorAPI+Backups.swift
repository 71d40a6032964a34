public import Foundation

extension OperatorAPI {
    /// A backup on the control plane's machine: `POST /backups` makes one, `GET /backups` lists them.
    public struct BackupView: Codable, Sendable, Hashable {
        public var name: String
        /// On the control plane's machine.
        public var folder: String
        public var madeAt: Date
        public var files: Int
        public var bytes: Int64
        /// `sha256:…` of its `manifest.json`; the audit trail has it too.
        public var manifestDigest: String
        /// Whether the CA's private key is in it, sealed. If not, a restore needs a copy from elsewhere.
        public var hasSealedKey: Bool
        /// What is not in it although it should be, one line each.
        public var warnings: [String]
        public init(
            name: String, folder: String, madeAt: Date, files: Int, bytes: Int64, manifestDigest: String, hasSealedKey: Bool,
            warnings: [String]
        ) {
            self.name = name
            self.folder = folder
            self.madeAt = madeAt
            self.files = files
            self.bytes = bytes
            self.manifestDigest = manifestDigest
            self.hasSealedKey = hasSealedKey
            self.warnings = warnings
        }
    }
}
