public import FlowForgeProtocol
public import Foundation
import SwiftASN1
import X509

/// Who this agent is: its id and pool, its certificate with key, and the roots it trusts.
public struct Identity: Sendable {
    public var agent: ID<Agent>
    public var pool: String
    /// For people.
    public var name: String
    public var url: URL
    public var notBefore: Date
    public var notAfter: Date
    /// When it arrived, by this machine's clock.
    public var granted: Date
    /// How long it was to last then, by the control plane's clock; in seconds. `notBefore` says
    /// nothing of it: it is set back to allow for clocks that are late.
    public var life: Double
    /// PEM, leaf first.
    public var certificate: String
    /// PEM.
    public var trustBundle: String
    /// PEM; made on this machine, never sent.
    public var key: Secret

    /// Checks that the granted certificate is for our key before anything is replaced by it.
    ///
    /// - Throws: ``IdentityError/foreignCertificate``.
    public init(_ grant: AgentAPI.CertificateGrant, key: MachineKey, name: String, url: URL, granted: Date = Date()) throws {
        guard let leaf = try? Certificate(pemEncoded: grant.certificate.firstPEM), leaf.publicKey == key.publicKey else {
            throw IdentityError.foreignCertificate
        }
        agent = grant.agent
        pool = grant.pool
        self.name = name
        self.url = url
        // The certificate itself, not the message around it, decides when the server stops accepting it.
        notBefore = leaf.notValidBefore
        notAfter = leaf.notValidAfter
        self.granted = granted
        life = max(0, leaf.notValidAfter.timeIntervalSince(grant.serverTime))
        certificate = grant.certificate
        trustBundle = grant.trustBundle
        self.key = key.pem
    }

    init(record: IdentityRecord, certificate: String, trustBundle: String, key: Secret) {
        agent = record.agent
        pool = record.pool
        name = record.name
        url = record.url
        notBefore = record.notBefore
        notAfter = record.notAfter
        granted = record.granted
        life = record.life
        self.certificate = certificate
        self.trustBundle = trustBundle
        self.key = key
    }

    var record: IdentityRecord {
        IdentityRecord(
            agent: agent, pool: pool, name: name, url: url, notBefore: notBefore, notAfter: notAfter, granted: granted, life: life
        )
    }
}

/// `identity.json`: what of an identity is neither key nor certificate.
struct IdentityRecord: Codable {
    var agent: ID<Agent>
    var pool: String
    var name: String
    var url: URL
    var notBefore: Date
    var notAfter: Date
    var granted: Date
    var life: Double
}

public enum IdentityError: Error, CustomStringConvertible {
    case notJoined(folder: String)
    case unreadable(file: String, reason: String)
    /// Other accounts of the machine may read the key.
    case exposedKey(file: String, mode: String)
    case foreignCertificate
    case unwritable(folder: String, reason: String)

    public var description: String {
        switch self {
        case .notJoined(let folder): "no identity in \(folder); run flowforge-agent join first"
        case .unreadable(let file, let reason): "\(file): \(reason); join again with --force"
        case .exposedKey(let file, let mode):
            "\(file): mode \(mode) lets others read the key; run chmod 600 on it, or join again with --force if it may have been read"
        case .foreignCertificate: "the control plane's answer holds a certificate that is not for this agent's key"
        case .unwritable(let folder, let reason): "\(folder): \(reason)"
        }
    }
}

extension String {
    /// The first PEM block, e.g. the leaf of a chain.
    var firstPEM: String {
        guard let end = range(of: "-----END CERTIFICATE-----") else { return self }
        return String(self[..<end.upperBound])
    }
}
