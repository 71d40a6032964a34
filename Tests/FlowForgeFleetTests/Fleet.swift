import Crypto
import FlowForgeDomain
import FlowForgeFleet
import FlowForgeProtocol
import FlowForgeStore
import FlowForgeTestSupport
import Foundation
import SwiftASN1
import Synchronization
import Testing
import X509

/// A clock that moves when it is told to; starts at a whole second.
final class TestClock: Sendable {
    private let time = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
    var now: Date { time.withLock { $0 } }
    func advance(_ seconds: Double) { time.withLock { $0.addTimeInterval(seconds) } }
}

/// The fleet on a real store, without a server.
struct Fleet: Sendable {
    let folder: URL
    let store: Store
    let clock: TestClock
    let authority: CertificateAuthority
    let tokens: JoinTokens
    let joining: AgentJoining
    let registry: AgentRegistry

    init(folder: URL) throws {
        self.folder = folder
        let clock = TestClock()
        self.clock = clock
        var options = Store.Options()
        options.now = { clock.now }
        store = try Store(path: folder.appending(path: "flowforge.db").path, options: options)
        let root = try CertificateAuthority.create(trustDomain: "test.flowforge", now: clock.now)
        authority = try CertificateAuthority(certificatePEM: root.certificatePEM, keyPEM: root.keyPEM)
        let settings = FleetSettings(agentURL: "https://127.0.0.1:8443")
        let logger = TestControlPlane.quietLogger()
        let refusals = RefusalTrail(store: store, logger: logger)
        tokens = JoinTokens(store: store, settings: settings, caFingerprint: authority.fingerprint)
        joining = AgentJoining(store: store, authority: authority, settings: settings, refusals: refusals, logger: logger)
        registry = AgentRegistry(store: store, trustDomain: "test.flowforge", settings: settings, refusals: refusals)
    }

    func token(pool: String = "test", ttl: Int = 3600, uses: Int = 1) async throws -> OperatorAPI.JoinTokenGrant {
        try await tokens.create(.init(pool: pool, ttlSeconds: ttl, uses: uses), by: .system("test"))
    }

    @discardableResult
    func join(
        _ token: OperatorAPI.JoinTokenGrant, pool: String = "test", csr: String? = nil, agent: ID<Agent>? = nil,
        version: Int = ProtocolVersion.current
    ) async throws -> AgentAPI.CertificateGrant {
        try await join(secret: token.token, pool: pool, csr: csr, agent: agent, version: version)
    }

    @discardableResult
    func join(
        secret: Secret, pool: String = "test", csr: String? = nil, agent: ID<Agent>? = nil,
        version: Int = ProtocolVersion.current
    ) async throws -> AgentAPI.CertificateGrant {
        try await joining.join(
            AgentAPI.JoinRequest(
                protocolVersion: version, token: secret, pool: pool, csr: try csr ?? SigningPair().request(), name: "a",
                agent: agent))
    }

    func certificate(_ grant: AgentAPI.CertificateGrant) throws -> AgentCertificate {
        let document = try PEMDocument(pemString: grant.certificate)
        return try #require(AgentCertificate(der: document.derBytes, trustDomain: "test.flowforge"))
    }

    @discardableResult
    func authorize(_ grant: AgentAPI.CertificateGrant) async throws -> AgentIdentity {
        let certificate = try certificate(grant)
        return try await registry.authorize(
            serial: certificate.serial, notAfter: certificate.notAfter, agent: certificate.spiffeID.agent,
            pool: certificate.spiffeID.pool)
    }

    func expectRefusal<Value>(
        _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Value
    ) async {
        let error = await #expect(throws: APIError.self, sourceLocation: sourceLocation) { _ = try await body() }
        #expect(error?.code == code, sourceLocation: sourceLocation)
        #expect(error?.hint != nil, "a refusal says what to do", sourceLocation: sourceLocation)
    }

    /// The codes of all refusals, in order.
    func audited() async throws -> [String] {
        try await store.read { try $0.audit.list(limit: 1000) }
            .filter { $0.outcome == "refused" }.compactMap { $0.detail["code"]?.string }
    }
}

func withFleet(_ body: (Fleet) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
        let fleet = try Fleet(folder: folder)
        try await body(fleet)
        try fleet.store.close()
    }
}

/// Signing requests that must not be honoured.
enum HostileRequests {
    static func anotherCurve() throws -> String {
        try pem(Certificate.PrivateKey(P384.Signing.PrivateKey()), algorithm: .ecdsaWithSHA384)
    }

    /// The public key of one, the signature of another.
    static func signedByAnother() throws -> String {
        let honest = try PEMDocument(pemString: SigningPair().request())
        let other = try CertificateSigningRequest(pemEncoded: SigningPair().request())
        let victim = try CertificateSigningRequest(derEncoded: honest.derBytes)
        return try CertificateSigningRequest(
            version: .v1, subject: victim.subject, publicKey: victim.publicKey, attributes: victim.attributes,
            signatureAlgorithm: .ecdsaWithSHA256, signature: other.signature
        ).serializeAsPEM().pemString
    }

    private static func pem(_ key: Certificate.PrivateKey, algorithm: Certificate.SignatureAlgorithm) throws -> String {
        try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName { CommonName("x") }, privateKey: key,
            attributes: CertificateSigningRequest.Attributes([]), signatureAlgorithm: algorithm
        ).serializeAsPEM().pemString
    }
}
