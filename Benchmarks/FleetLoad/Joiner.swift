import Crypto
import FlowForgeProtocol
import Foundation
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// What an agent of the fleet is: a key and a certificate, in memory only.
struct Identity {
    var key: NIOSSLPrivateKey
    var chain: [NIOSSLCertificate]

    func tls(trusting roots: [NIOSSLCertificate]) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.trustRoots = .certificates(roots)
        configuration.certificateChain = chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(key)
        return configuration
    }
}

/// Joins one agent after another over one connection, as `flowforge-agent join` does.
final class Joiner: LineOwner {
    struct Plan {
        var server: Server
        var roots: [NIOSSLCertificate]
        var token: Secret
        var pool: String
    }

    private let plan: Plan
    /// The number of the next agent; `nil` when there are enough.
    private let next: () -> Int?
    private let joined: (Result<Identity, any Error>) -> Void
    private var key = P256.Signing.PrivateKey()
    private var line: Line?

    init(plan: Plan, next: @escaping () -> Int?, joined: @escaping (Result<Identity, any Error>) -> Void) {
        self.plan = plan
        self.next = next
        self.joined = joined
    }

    func start(on loop: any EventLoop) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        tls.trustRoots = .certificates(plan.roots)
        let line = Line(owner: self)
        self.line = line
        line.open(to: plan.server, tls: tls, on: loop)
    }

    func opened(_ line: Line) { ask() }

    private func ask() {
        guard let number = next() else {
            line?.close()
            return
        }
        do {
            key = P256.Signing.PrivateKey()
            let request = try CertificateSigningRequest(
                version: .v1, subject: DistinguishedName { CommonName("fleet-\(number)") },
                privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes(),
                signatureAlgorithm: .ecdsaWithSHA256)
            let body = try WireCoding.encode(
                AgentAPI.JoinRequest(
                    token: plan.token, pool: plan.pool, csr: request.serializeAsPEM().pemString, name: "fleet-\(number)"))
            line?.send(plan.server.post("join", body))
        } catch {
            joined(.failure(error))
        }
    }

    func answered(_ line: Line, _ answer: AnswerReader.Answer) {
        do {
            let body = Data(answer.body.readableBytesView)
            guard answer.status == 200 || answer.status == 201 else {
                throw try WireCoding.decode(ErrorBody.self, from: body).error
            }
            let grant = try WireCoding.decode(AgentAPI.CertificateGrant.self, from: body)
            joined(
                .success(
                    Identity(
                        key: try NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der),
                        chain: try NIOSSLCertificate.fromPEMBytes(Array(grant.certificate.utf8)))))
            ask()
        } catch {
            joined(.failure(error))
        }
    }

    func closed(_ line: Line, _ error: (any Error)?) {
        self.line = nil
        if let error { joined(.failure(error)) }
    }
}
