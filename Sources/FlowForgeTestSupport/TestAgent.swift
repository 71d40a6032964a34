internal import AsyncHTTPClient
internal import Crypto
public import FlowForgeProtocol
public import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import SwiftASN1
internal import X509

/// An agent as far as the wire goes: a key, a certificate and requests. It runs nothing.
public struct TestAgent: Sendable {
    /// What came back.
    public struct Answer: Sendable {
        public let status: Int
        public let body: Data
        public let headers: [String: String]

        /// The refusal's code; `nil` for any other answer.
        public var code: ErrorCode? { (try? WireCoding.decode(ErrorBody.self, from: body))?.error.code }
        public func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value { try WireCoding.decode(type, from: body) }
    }

    public let grant: AgentAPI.CertificateGrant
    /// PEM.
    public let key: String
    private let exchange: HTTPExchange

    public var id: ID<Agent> { grant.agent }

    public static func join(_ plane: TestControlPlane, token: Secret, pool: String) async throws -> TestAgent {
        let key = SigningPair()
        let answer = try await HTTPExchange(plane).post(
            "/agent/v1/join",
            AgentAPI.JoinRequest(token: token, pool: pool, csr: try key.request(), name: "test-agent"))
        guard answer.status == 200 else {
            throw try WireCoding.decode(ErrorBody.self, from: answer.body).error
        }
        return try TestAgent(plane, grant: try answer.decoded(AgentAPI.CertificateGrant.self), key: key.pem)
    }

    public init(_ plane: TestControlPlane, grant: AgentAPI.CertificateGrant, key: String) throws {
        self.grant = grant
        self.key = key
        exchange = try HTTPExchange(plane, certificate: grant.certificate, key: key)
    }

    public func post(_ path: String, _ body: some Encodable & Sendable) async throws -> Answer {
        try await exchange.post(path, body)
    }

    public func get(_ path: String, headers: [String: String] = [:]) async throws -> Answer {
        try await exchange.get(path, headers: headers)
    }

    /// A poll that is answered at once.
    public func poll(waitSeconds: Double = 0, freeSlots: Int = 0, leases: [AgentAPI.HeldLease] = []) async throws -> Answer {
        try await post("/agent/v1/poll", Self.pollRequest(waitSeconds: waitSeconds, freeSlots: freeSlots, leases: leases))
    }

    public static func pollRequest(
        waitSeconds: Double = 0, freeSlots: Int = 0, leases: [AgentAPI.HeldLease] = []
    ) -> AgentAPI.PollRequest {
        AgentAPI.PollRequest(
            freeSlots: freeSlots, slots: 2, engines: [.init(name: "duckdb", version: "1.5.5")], leases: leases,
            waitSeconds: waitSeconds)
    }
}

/// A P-256 key and its signing request.
public struct SigningPair: Sendable {
    private let key = P256.Signing.PrivateKey()

    public init() {}

    public var pem: String { key.pemRepresentation }

    /// PKCS#10 in PEM, with names that nobody should take over.
    public func request() throws -> String {
        try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName { CommonName("root of all") }, privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes([]), signatureAlgorithm: .ecdsaWithSHA256
        ).serializeAsPEM().pemString
    }
}
