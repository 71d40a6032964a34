internal import FlowForgeBundle
internal import FlowForgeFleet
internal import FlowForgeIntegrations
internal import FlowForgeOrchestration
internal import FlowForgeProtocol
public import Foundation

/// The control plane's folder: its CA, its certificate, its database and its bundles. Mode 0700.
public struct DataFolder: Sendable {
    public let root: URL

    public init(_ root: URL) { self.root = root }

    /// The roots that agents and people trust; the first is our CA.
    public var caCertificate: URL { root.appending(path: "ca.pem") }
    public var caKey: URL { root.appending(path: "ca.key") }
    /// Of the key with which the control plane signs evidence.
    public var evidenceKey: URL { root.appending(path: BackupLayout.evidenceKey) }
    public var serverCertificate: URL { root.appending(path: "server.pem") }
    public var serverKey: URL { root.appending(path: "server.key") }
    public var database: URL { root.appending(path: "flowforge.db") }
    public var bundles: URL { root.appending(path: "bundles") }
    var lock: URL { root.appending(path: BackupLayout.lock) }
    /// What a restore left to be taken note of; see ``RestoredMark``.
    var restored: URL { root.appending(path: BackupLayout.restored) }

    /// Throws ``StartUpFault/configuration(_:)`` when there is no CA or its key is open to others.
    func authority() throws -> CertificateAuthority {
        guard FileManager.default.fileExists(atPath: caCertificate.path) else {
            throw StartUpFault.configuration(
                "\(root.path) is not set up: \(caCertificate.path) is missing; run `flowforged init --data \(root.path)`")
        }
        let key = Secret(try Self.privateText(caKey))
        do {
            return try CertificateAuthority(certificatePEM: try Self.text(caCertificate), keyPEM: key)
        } catch let error as CertificateAuthority.Fault {
            throw StartUpFault.configuration("\(caCertificate.path): \(error); restore both files from a backup")
        }
    }

    /// Secrets of webhooks are derived from the CA's key, which a backup has and a restore brings back.
    func webhookKeys() throws -> WebhookKeys { WebhookKeys(key: Data(try Self.privateText(caKey).utf8)) }

    /// As those of webhooks.
    func gateKeys() throws -> GateKeys { GateKeys(key: Data(try Self.privateText(caKey).utf8)) }

    /// The key that signs evidence, made now if there is none: a new control plane has signed nothing yet.
    func evidenceSigningKey() throws -> SigningKey {
        if !FileManager.default.fileExists(atPath: evidenceKey.path) {
            let key = SigningKey(.ed25519)
            try DurableFile.create(evidenceKey, contents: Data(key.pem.reveal().utf8), mode: 0o600)
            try DurableFile.syncFolder(root)
        }
        do {
            return try SigningKey(pem: Secret(try Self.privateText(evidenceKey)), from: evidenceKey.path)
        } catch let fault as SigningFault {
            throw StartUpFault.configuration("\(fault); restore the file from a backup")
        }
    }

    /// What a restore left for the first start after it. Throws ``StartUpFault/configuration(_:)`` while a
    /// restore is not finished: then the files belong to two control planes.
    func restoredMark() throws -> RestoredMark? {
        guard !FileManager.default.fileExists(atPath: root.appending(path: BackupLayout.restoring).path) else {
            throw StartUpFault.configuration(
                "a restore into \(root.path) was interrupted; run `flowforge admin restore BACKUP --data \(root.path)` again")
        }
        guard FileManager.default.fileExists(atPath: restored.path) else { return nil }
        do {
            return try WireCoding.decode(RestoredMark.self, from: Data(contentsOf: restored))
        } catch {
            throw StartUpFault.configuration("\(restored.path) cannot be read; run `flowforge admin restore` again")
        }
    }

    static func text(_ file: URL) throws(StartUpFault) -> String {
        do { return try String(contentsOf: file, encoding: .utf8) } catch {
            throw .configuration("cannot read \(file.path): \(error.localizedDescription); check its owner and mode")
        }
    }

    /// A file that only its owner may read. Throws ``StartUpFault/configuration(_:)`` otherwise: a key that
    /// others could read has to be taken for stolen.
    static func privateText(_ file: URL) throws(StartUpFault) -> String {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: file.path),
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue
        else { throw .configuration("cannot read \(file.path); restore it from a backup") }
        guard mode & 0o077 == 0 else {
            throw .configuration(
                "\(file.path) is a private key that others may read (mode \(String(mode, radix: 8))); "
                    + "run `chmod 600 \(file.path)`, and replace it if others could have read it")
        }
        return try text(file)
    }

    /// Writes a fresh server certificate and its key. The key goes first: until the certificate
    /// follows, the pair on disk does not match and is not loaded.
    func write(_ credentials: CertificateAuthority.ServerCredentials) throws {
        try DurableFile.replace(serverKey, contents: Data(credentials.keyPEM.reveal().utf8), mode: 0o600)
        try DurableFile.replace(serverCertificate, contents: Data(credentials.certificatePEM.utf8), mode: 0o644)
    }
}
