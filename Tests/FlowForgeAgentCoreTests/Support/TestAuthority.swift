import Crypto
import FlowForgeProtocol
import Foundation
import NIOSSL
import SwiftASN1
import X509

@testable import FlowForgeAgentCore

/// A certificate authority for tests: one root, server leaves for loopback, agents' leaves.
struct TestAuthority: Sendable {
    let root: Certificate
    private let key: Certificate.PrivateKey
    let rootPEM: String

    init(name: String = "test authority") throws {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let subject = try DistinguishedName { CommonName(name) }
        root = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: .now - 3600,
            notValidAfter: .now + 86_400, issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: key.publicKey)
            }, issuerPrivateKey: key)
        self.key = key
        rootPEM = try root.serializeAsPEM().pemString
    }

    var fingerprint: Fingerprint {
        get throws { Fingerprint(der: Data(try root.serializeAsPEM().derBytes)) }
    }

    func leaf(
        _ publicKey: Certificate.PublicKey, names: [GeneralName], server: Bool, notBefore: Date, notAfter: Date
    ) throws -> String {
        let subject = try DistinguishedName { CommonName("leaf") }
        return try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: notBefore, notValidAfter: notAfter,
            issuer: root.subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(server ? [.serverAuth] : [.clientAuth])
                SubjectAlternativeNames(names)
                AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: root.publicKey).keyIdentifier)
            }, issuerPrivateKey: key
        ).serializeAsPEM().pemString
    }

    /// Chain (leaf and root, as flowforged presents them) and key of a server on loopback.
    func server(host: String? = nil) throws -> (chain: [NIOSSLCertificate], key: NIOSSLPrivateKey) {
        let key = P256.Signing.PrivateKey()
        let names: [GeneralName] =
            host.map { [.dnsName($0)] } ?? [.dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))]
        let pem = try leaf(
            .init(key.publicKey), names: names, server: true, notBefore: .now - 60, notAfter: .now + 3600)
        return (
            try NIOSSLCertificate.fromPEMBytes(Array((pem + "\n" + rootPEM).utf8)),
            try NIOSSLPrivateKey(bytes: Array(key.pemRepresentation.utf8), format: .pem)
        )
    }

    /// What the control plane answers to a join or a renewal.
    func grant(csr: String, agent: ID<Agent>, pool: String, life: Double = 3600) throws -> AgentAPI.CertificateGrant {
        let request = try CertificateSigningRequest(pemEncoded: csr)
        let now = Date()
        let pem = try leaf(
            request.publicKey, names: [.uniformResourceIdentifier("spiffe://test/pool/\(pool)/agent/\(agent)")], server: false,
            notBefore: now - 300, notAfter: now + life)
        return AgentAPI.CertificateGrant(
            agent: agent, pool: pool, certificate: pem, trustBundle: rootPEM, notBefore: now - 300, notAfter: now + life,
            serverTime: now)
    }

    /// An agent that has joined, without a server.
    func identity(url: URL, life: Double = 3600) throws -> Identity {
        let key = MachineKey()
        return try Identity(
            try grant(csr: key.request(name: "test"), agent: .make(), pool: "local", life: life), key: key, name: "test", url: url
        )
    }
}
