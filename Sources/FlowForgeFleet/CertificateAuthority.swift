internal import Crypto
public import FlowForgeProtocol
public import Foundation
internal import SwiftASN1
internal import X509

/// The control plane's own certificate authority: one self-signed P-256 root that signs the server's
/// certificate and the agents'. Its key never leaves the control plane.
public struct CertificateAuthority: Sendable {
    /// What issuing gives back.
    public struct Issued: Sendable {
        public var certificatePEM: String
        /// Hex, lower case.
        public var serial: String
        public var notBefore: Date
        public var notAfter: Date
    }

    /// A server's certificate with its key.
    public struct ServerCredentials: Sendable {
        public var certificatePEM: String
        public var keyPEM: Secret
        public var notAfter: Date
    }

    public enum Fault: Error, CustomStringConvertible {
        case unreadable(String)
        public var description: String {
            switch self {
            case .unreadable(let what): what
            }
        }
    }

    public let trustDomain: String
    public let certificatePEM: String
    /// `sha256:<64 hex>` of the certificate (DER): what agents and people pin.
    public let fingerprint: String
    public let notAfter: Date
    private let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// Reads a root made by ``create(trustDomain:now:)``. Throws ``Fault`` when the two do not belong together.
    public init(certificatePEM: String, keyPEM: Secret) throws(Fault) {
        do {
            certificate = try Certificate(pemEncoded: certificatePEM)
            key = try Certificate.PrivateKey(pemEncoded: keyPEM.reveal())
            fingerprint = try Self.fingerprint(of: certificate)
        } catch {
            throw .unreadable("the CA's certificate or key is not what `flowforged init` writes: \(error)")
        }
        guard key.publicKey == certificate.publicKey else { throw .unreadable("the CA's key does not belong to its certificate") }
        guard let names = try? certificate.extensions.subjectAlternativeNames,
            let domain = names.lazy.compactMap({ name -> String? in
                guard case .uniformResourceIdentifier(let text) = name, text.hasPrefix("spiffe://") else { return nil }
                return String(text.dropFirst("spiffe://".count))
            }).first, SPIFFEID.isTrustDomain(domain)
        else { throw .unreadable("the CA's certificate names no trust domain (spiffe://…)") }
        trustDomain = domain
        notAfter = certificate.notValidAfter
        self.certificatePEM = certificatePEM
    }

    /// Makes a new root that is valid for ten years, and its key.
    public static func create(trustDomain: String, now: Date = Date()) throws -> (certificatePEM: String, keyPEM: Secret) {
        precondition(SPIFFEID.isTrustDomain(trustDomain), "the caller checks the trust domain")
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let name = try DistinguishedName {
            OrganizationName(trustDomain)
            CommonName("FlowForge CA")
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: key.publicKey,
            notValidBefore: now.addingTimeInterval(-Self.clockLeeway), notValidAfter: now.addingTimeInterval(3652 * 86_400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: key.publicKey)
                SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://\(trustDomain)")])
            }, issuerPrivateKey: key)
        return (try certificate.serializeAsPEM().pemString, Secret(try key.serializeAsPEM().pemString))
    }

    /// A server certificate with a fresh key. `hosts` are DNS names and IP addresses.
    public func issueServer(hosts: [String], lifetime: Duration, now: Date = Date()) throws -> ServerCredentials {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let issued = try issue(
            to: key.publicKey, commonName: hosts.first ?? "flowforged",
            names: hosts.map { host in
                IPAddress(host).map { .ipAddress(ASN1OctetString(contentBytes: ArraySlice($0.bytes))) } ?? .dnsName(host)
            },
            usage: .serverAuth, notBefore: now.addingTimeInterval(-Self.clockLeeway), lifetime: lifetime, now: now)
        return ServerCredentials(
            certificatePEM: issued.certificatePEM, keyPEM: Secret(try key.serializeAsPEM().pemString), notAfter: issued.notAfter)
    }

    /// A client certificate for the key of `csr`, which carries the agent's SPIFFE id and nothing else.
    /// Throws ``ErrorCode/invalidCSR``. Whole seconds, as X.509 has no others.
    public func issueAgent(
        csr: String, agent: ID<Agent>, pool: String, lifetime: Duration, now: Date = Date()
    ) throws -> Issued {
        let request = try AgentSigningRequest(pem: csr)
        return try issue(
            to: request.publicKey, commonName: agent.description,
            names: [.uniformResourceIdentifier(SPIFFEID(trustDomain: trustDomain, pool: pool, agent: agent).description)],
            usage: .clientAuth, notBefore: now.addingTimeInterval(-300), lifetime: lifetime, now: now)
    }

    /// How far a peer's clock may lag behind ours and still take a new certificate for valid.
    private static let clockLeeway: TimeInterval = 86_400

    private func issue(
        to publicKey: Certificate.PublicKey, commonName: String, names: [GeneralName], usage: ExtendedKeyUsage.Usage,
        notBefore: Date, lifetime: Duration, now: Date
    ) throws -> Issued {
        let seconds = (now.timeIntervalSince1970 + Double(lifetime.components.seconds)).rounded(.down)
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: notBefore,
            notValidAfter: min(Date(timeIntervalSince1970: seconds), notAfter), issuer: certificate.subject,
            subject: DistinguishedName { CommonName(commonName) }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([usage])
                SubjectAlternativeNames(names)
                SubjectKeyIdentifier(hash: publicKey)
            }, issuerPrivateKey: key)
        return Issued(
            certificatePEM: try leaf.serializeAsPEM().pemString, serial: leaf.serialNumber.hex,
            notBefore: leaf.notValidBefore, notAfter: leaf.notValidAfter)
    }

    static func fingerprint(of certificate: Certificate) throws -> String {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return "sha256:" + SHA256.hash(data: serializer.serializedBytes).map { $0.hex }.joined()
    }
}

extension Certificate.SerialNumber {
    /// Lower-case hexadecimal.
    var hex: String { bytes.map(\.hex).joined() }
}

extension UInt8 {
    fileprivate var hex: String { (self < 16 ? "0" : "") + String(self, radix: 16) }
}
