import Crypto
import FlowForgeProtocol
import SwiftASN1
import X509

/// A new P-256 key of this machine.
public struct MachineKey: Sendable {
    private let key = P256.Signing.PrivateKey()

    public init() {}

    /// PKCS #8.
    var pem: Secret { Secret(key.pemRepresentation) }
    var publicKey: Certificate.PublicKey { Certificate.PublicKey(key.publicKey) }

    /// PEM of a signing request for `name`. The control plane uses its public key alone.
    public func request(name: String) throws -> String {
        let subject = try DistinguishedName { CommonName(name) }
        let request = try CertificateSigningRequest(
            version: .v1, subject: subject, privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes(), signatureAlgorithm: .ecdsaWithSHA256)
        return try request.serializeAsPEM().pemString
    }
}
