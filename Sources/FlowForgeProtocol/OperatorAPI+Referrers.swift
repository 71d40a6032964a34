public import Foundation

/// An OCI image index of the referrers to a bundle, oldest first: `GET /api/v1/bundles/{digest}/referrers`, and the same
/// of the agent API.
public struct ReferrerIndex: Codable, Sendable, Hashable {
    public struct Entry: Codable, Sendable, Hashable {
        public var mediaType: String
        public var digest: String
        public var size: Int64
        public var artifactType: String?
        public var annotations: [String: String]?
        public init(
            mediaType: String, digest: String, size: Int64, artifactType: String?, annotations: [String: String]?
        ) {
            self.mediaType = mediaType
            self.digest = digest
            self.size = size
            self.artifactType = artifactType
            self.annotations = annotations
        }
    }

    public var schemaVersion: Int
    public var mediaType: String
    public var manifests: [Entry]

    public init(manifests: [Entry]) {
        schemaVersion = 2
        mediaType = "application/vnd.oci.image.index.v1+json"
        self.manifests = manifests
    }
}

extension OperatorAPI {
    /// `POST /bundles/{digest}/referrers`, after its blobs were stored with `PUT /blobs/{digest}`.
    public struct PushReferrer: Codable, Sendable {
        /// Digest of the referrer's OCI image manifest, itself stored as a blob.
        public var digest: String
        public init(digest: String) { self.digest = digest }
    }

    /// A signed statement about a bundle.
    public struct SignatureView: Codable, Sendable, Hashable {
        /// Of the referrer's manifest.
        public var digest: String
        public var predicateType: String
        /// Keys that the control plane trusts and whose signatures are good now, by the name it has for them. Empty: signed
        /// by nobody whom it knows, or damaged.
        public var signers: [Signer]
        public var pushedAt: Date
        public var pushedBy: String
        public init(digest: String, predicateType: String, signers: [Signer], pushedAt: Date, pushedBy: String) {
            self.digest = digest
            self.predicateType = predicateType
            self.signers = signers
            self.pushedAt = pushedAt
            self.pushedBy = pushedBy
        }
    }

    public struct Signer: Codable, Sendable, Hashable {
        public var name: String
        /// SHA-256 of the key's SubjectPublicKeyInfo.
        public var keyId: String
        public init(name: String, keyId: String) {
            self.name = name
            self.keyId = keyId
        }
    }

    /// `GET /evidence-key`: the public half of the key with which the control plane signs evidence.
    public struct EvidenceKeyView: Codable, Sendable, Hashable {
        public var keyId: String
        public var algorithm: String
        public var pem: String
        public init(keyId: String, algorithm: String, pem: String) {
            self.keyId = keyId
            self.algorithm = algorithm
            self.pem = pem
        }
    }
}
